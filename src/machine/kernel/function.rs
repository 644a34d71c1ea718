//! What a function of a kernel uses, read from the assembler's report.

use serde::{Deserialize, Serialize};

/// What a function of a kernel uses, as the assembler reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name as it was asked for, such as `gelu<float>`; the symbol of others.
    pub name: String,
    /// Its symbol in the machine code.
    pub symbol: String,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of a thread's stack, in device memory: arrays that are indexed at run time, and what is spilled.
    pub stack_bytes: u32,
    /// Bytes of a thread's registers that do not fit and go to memory, written and read, those of called functions included.
    pub spill_bytes: u32,
    /// Bytes of shared memory of a block, without those that a launch sets.
    pub shared_bytes: u32,
    /// Barriers of a block.
    pub barriers: u32,
}

/// The functions that can be started, from what the assembler says with `-v`.
pub(super) fn read(log: &str) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            let name = rest.split('\'').next().unwrap_or_default().to_owned();
            functions.push(Function { symbol: name.clone(), name, ..Function::default() });
        }
        // What is told behind a function's is of those that it calls.
        let Some(function) = functions.last_mut() else { continue };
        let before = |what: &str| {
            let words = line.split(what).next().filter(|head| head.len() < line.len())?;
            words.split_whitespace().next_back()?.parse::<u32>().ok()
        };
        if let Some(registers) = before(" registers,") {
            function.registers = registers;
            function.shared_bytes = before(" bytes smem").unwrap_or(0);
            function.barriers = before(" barriers").unwrap_or(0);
            function.stack_bytes =
                before(" bytes cumulative stack size").unwrap_or(0).max(function.stack_bytes);
        }
        if let Some((stores, loads)) =
            before(" bytes spill stores").zip(before(" bytes spill loads"))
        {
            function.spill_bytes += stores + loads;
            function.stack_bytes =
                before(" bytes stack frame").unwrap_or(0).max(function.stack_bytes);
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assemblers_report_is_read() {
        // As NVRTC 13.5 and 12.2 write it.
        let log = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'one' for 'sm_90a'
ptxas info    : Function properties for one
ptxas         .     24 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 32 registers, used 2 barriers, 32 bytes cumulative stack size, 4096 bytes smem
ptxas info    : Compile time = 1320.643 ms
ptxas info    : Function properties for called
ptxas         .     8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Compiling entry function 'two' for 'sm_90a'
ptxas info    : Function properties for two
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers, 352 bytes cmem[0]";
        let one = Function {
            name: "one".to_owned(),
            symbol: "one".to_owned(),
            registers: 32,
            stack_bytes: 32,
            spill_bytes: 28,
            shared_bytes: 4096,
            barriers: 2,
        };
        let name = || "two".to_owned();
        let two = Function { name: name(), symbol: name(), registers: 8, ..Function::default() };
        assert_eq!(read(log), [one, two]);
    }
}
