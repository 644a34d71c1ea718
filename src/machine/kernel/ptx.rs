//! What stands in PTX, counted in its text: what the compiler asked the assembler for.

use std::collections::BTreeMap;

use serde::Serialize;

/// What stands in the body of a kernel in PTX.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ptx {
    /// All instructions.
    pub instructions: u32,
    /// By operation, with the state space of loads and stores: `ld.global`, `fma`, `wgmma`.
    pub operations: BTreeMap<String, u32>,
}

/// The kernels of a text in PTX, by name.
pub fn read(text: &str) -> BTreeMap<String, Ptx> {
    let mut kernels = BTreeMap::new();
    let mut current: Option<(String, Ptx)> = None;
    let mut depth = 0usize;
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        if let Some((_, rest)) = line.split_once(".entry ") {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
            current = Some((rest[..end.unwrap_or(rest.len())].to_owned(), Ptx::default()));
            depth = 0;
        }
        let Some((_, ptx)) = &mut current else { continue };
        if depth > 0 {
            ptx.add(line.trim_start_matches('{'));
        }
        depth += line.matches('{').count();
        let closed = line.matches('}').count();
        if closed > 0 && closed >= depth {
            kernels.extend(current.take());
        }
        depth = depth.saturating_sub(closed);
    }
    kernels
}

impl Ptx {
    fn add(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let word = if first.starts_with('@') { words.next().unwrap_or_default() } else { first };
        // Neither a directive, nor a label, nor the rest of a longer instruction.
        if !word.starts_with(|c: char| c.is_ascii_lowercase()) || word.ends_with(':') {
            return;
        }
        let mut parts = word.trim_end_matches(';').split('.');
        let operation = parts.next().unwrap_or_default();
        let space = match operation {
            "ld" | "st" | "atom" | "red" | "ldu" => parts.find(|part| {
                matches!(*part, "global" | "shared" | "local" | "param" | "const")
                    || part.starts_with("shared::")
            }),
            "cp" => parts.next(),
            _ => None,
        };
        let name = space.map_or(operation.to_owned(), |space| format!("{operation}.{space}"));
        self.instructions += 1;
        *self.operations.entry(name).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted() {
        let text = "
.version 9.5
.target sm_90a
.visible .entry one(
	.param .u64 .ptr .align 1 one_param_0
)
.maxntid 256
{
	.reg .b64 	%rd<10>;
	ld.param.b64 	%rd1, [one_param_0];
	@%p1 bra 	$L__BB0_2;
	ld.global.v4.b32 	{%r1, %r2, %r3, %r4}, [%rd1]; // four
	{ // begins
	cp.async.cg.shared.global [%r1], [%rd1], 16;
	}
$L__BB0_2:
	ret;
}
.func (.param .b32 back) called()
{
	ret;
}
.visible .entry two()
{
	bar.sync 	0;
	ret;
}";
        let found = read(text);
        let count = |name: &str, operation: &str| found[name].operations.get(operation).copied();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!((found["one"].instructions, found["two"].instructions), (5, 2));
        for operation in ["ld.param", "bra", "ld.global", "cp.async", "ret"] {
            assert_eq!(count("one", operation), Some(1), "{operation}");
        }
        assert_eq!(count("two", "bar"), Some(1));
    }
}
