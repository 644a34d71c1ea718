//! What stands in a function's machine code, counted in the disassembler's text.
//!
//! The counts are static: an instruction in a loop counts once, however often it runs. How often it runs only a
//! profiler tells.

use std::collections::BTreeMap;

use serde::Serialize;

/// What instructions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Products of matrices on tensor cores.
    Tensor,
    /// Arithmetic on 64-bit floats.
    F64,
    /// Arithmetic on 32-bit floats.
    F32,
    /// Arithmetic on 16-bit floats; the compiler also makes constants by it.
    F16,
    /// Arithmetic on integers and addresses, and logic.
    Integer,
    /// Reciprocals, roots, exponentials, logarithms, sines.
    Special,
    /// Conversions between types.
    Convert,
    /// Moves between registers, and constants.
    Move,
    /// Loads and stores of device memory.
    Global,
    /// Loads and stores of shared memory.
    Shared,
    /// Loads and stores of a thread's stack.
    Local,
    /// Atomic operations on memory.
    Atomic,
    /// Copies between device and shared memory that a thread does not wait for.
    AsyncCopy,
    /// Waiting for other threads or for copies, and fences.
    Barrier,
    /// Exchange within a warp.
    Warp,
    /// Branches, calls and ends.
    Control,
    /// All else.
    Other,
}

impl Class {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tensor => "tensor",
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Integer => "integer",
            Self::Special => "special",
            Self::Convert => "convert",
            Self::Move => "move",
            Self::Global => "global",
            Self::Shared => "shared",
            Self::Local => "local",
            Self::Atomic => "atomic",
            Self::AsyncCopy => "async copy",
            Self::Barrier => "barrier",
            Self::Warp => "warp",
            Self::Control => "control",
            Self::Other => "other",
        }
    }

    /// That of an opcode without its modifiers. Names are those of the instruction set reference of CUDA's binary
    /// utilities 13.5, for Turing to Blackwell.
    fn of(opcode: &str) -> Self {
        match opcode {
            "HMMA" | "IMMA" | "DMMA" | "BMMA" | "QMMA" | "OMMA" | "HGMMA" | "IGMMA" | "QGMMA"
            | "BGMMA" | "UTCHMMA" | "UTCIMMA" | "UTCQMMA" | "UTCOMMA" | "UTCMXQMMA" => Self::Tensor,
            "DADD" | "DFMA" | "DMUL" | "DSETP" | "DMNMX" | "DSET" => Self::F64,
            "FADD" | "FADD2" | "FADD32I" | "FCHK" | "FFMA" | "FFMA2" | "FFMA32I" | "FMNMX"
            | "FMNMX3" | "FMUL" | "FMUL2" | "FMUL32I" | "FSEL" | "FSET" | "FSETP" | "FSWZADD"
            | "UFADD" | "UFFMA" | "UFMUL" | "UFMNMX" | "UFSEL" | "UFSET" | "UFSETP" => Self::F32,
            "HADD2" | "HADD2_32I" | "HFMA2" | "HFMA2_32I" | "HMNMX2" | "HMUL2" | "HMUL2_32I"
            | "HSET2" | "HSETP2" => Self::F16,
            "MUFU" => Self::Special,
            "F2F" | "F2FP" | "F2I" | "F2IP" | "FRND" | "I2F" | "I2FP" | "I2I" | "I2IP" | "UF2F"
            | "UF2FP" | "UF2I" | "UI2F" | "UI2FP" | "UFRND" => Self::Convert,
            "CS2R" | "CS2UR" | "LDC" | "LDCU" | "MOV" | "MOV32I" | "MOVM" | "P2R" | "R2P"
            | "R2UR" | "S2R" | "S2UR" | "SEL" | "UCS2R" | "ULDC" | "UMOV" | "UP2UR" | "UR2UP"
            | "USEL" | "UMOV32I" => Self::Move,
            "LD" | "LDG" | "ST" | "STG" | "CCTL" | "CCTLL" | "LDGMC" => Self::Global,
            "LDS" | "STS" | "LDSM" | "STSM" | "LDTM" | "STTM" | "STAS" | "UTCCP" => Self::Shared,
            "LDL" | "STL" => Self::Local,
            "ATOM" | "ATOMG" | "ATOMS" | "RED" | "REDG" | "REDAS" | "REDS" => Self::Atomic,
            "LDGSTS" | "UBLKCP" | "UBLKPF" | "UBLKRED" | "UTMALDG" | "UTMASTG" | "UTMAREDG"
            | "UTMAPF" | "UTMACCTL" | "UTMALST" => Self::AsyncCopy,
            "BAR" | "B2R" | "CGAERRBAR" | "DEPBAR" | "ERRBAR" | "FENCE" | "LDGDEPBAR" | "LEPC"
            | "MEMBAR" | "SYNCS" | "ARRIVES" | "UCGABAR_ARV" | "UCGABAR_WAIT" | "UTCBAR"
            | "UTMACMDFLUSH" | "WARPGROUP" | "WARPGROUPSET" => Self::Barrier,
            "MATCH" | "REDUX" | "CREDUX" | "SHFL" | "VOTE" | "VOTEU" | "ELECT" | "WARPSYNC" => {
                Self::Warp
            }
            "ACQBULK"
            | "ACQSHMINIT"
            | "BMOV"
            | "BPT"
            | "BRA"
            | "BREAK"
            | "BRX"
            | "BRXU"
            | "BSSY"
            | "BSYNC"
            | "CALL"
            | "ENDCOLLECTIVE"
            | "EXIT"
            | "JMP"
            | "JMX"
            | "JMXU"
            | "KILL"
            | "NANOSLEEP"
            | "PREEXIT"
            | "RET"
            | "RPCMOV"
            | "RTT"
            | "USETMAXREG"
            | "WARPSYNC_COLLECTIVE"
            | "YIELD" => Self::Control,
            _ => Self::of_integers(opcode),
        }
    }

    fn of_integers(opcode: &str) -> Self {
        match opcode.strip_prefix('U').unwrap_or(opcode) {
            "BMSK" | "BREV" | "FLO" | "IABS" | "IADD" | "IADD2" | "IADD3" | "IADD32I" | "IDP"
            | "IDP4A" | "IMAD" | "IMNMX" | "IMUL" | "ISCADD" | "ISETP" | "LEA" | "LOP" | "LOP3"
            | "LOP32I" | "PLOP3" | "POPC" | "PRMT" | "PSETP" | "SGXT" | "SHF" | "SHL" | "SHR"
            | "VABSDIFF" | "VABSDIFF4" | "VIADD" | "VIADDMNMX" | "VIMNMX" | "VIMNMX3"
            | "IMNMX3" | "VHMNMX" | "VOTE_IDX" | "SCADD" => Self::Integer,
            _ => Self::Other,
        }
    }
}

/// Instructions by the bytes that each moves for a thread.
pub type Widths = BTreeMap<u32, u32>;

/// What stands in a function's machine code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sass {
    /// All instructions, but those that only fill up.
    pub instructions: u32,
    /// By what they do.
    pub classes: BTreeMap<Class, u32>,
    /// By opcode, without modifiers.
    pub opcodes: BTreeMap<String, u32>,
    /// Loads of device memory into registers.
    pub global_loads: Widths,
    /// Stores to device memory.
    pub global_stores: Widths,
    /// Loads of shared memory.
    pub shared_loads: Widths,
    /// Stores to shared memory.
    pub shared_stores: Widths,
}

impl Sass {
    /// Instructions of a class.
    pub fn count(&self, class: Class) -> u32 {
        self.classes.get(&class).copied().unwrap_or(0)
    }

    fn add(&mut self, word: &str) {
        let (opcode, modifiers) = word.split_once('.').unwrap_or((word, ""));
        if opcode == "NOP" {
            return;
        }
        self.instructions += 1;
        *self.classes.entry(Class::of(opcode)).or_default() += 1;
        *self.opcodes.entry(opcode.to_owned()).or_default() += 1;
        let widths = match opcode {
            "LDG" | "LD" => &mut self.global_loads,
            "STG" | "ST" => &mut self.global_stores,
            "LDS" => &mut self.shared_loads,
            "STS" => &mut self.shared_stores,
            _ => return,
        };
        *widths.entry(width(modifiers)).or_default() += 1;
    }
}

/// Bytes that a load or store of these modifiers moves for a thread.
fn width(modifiers: &str) -> u32 {
    let bytes = |modifier: &str| match modifier {
        "U8" | "S8" => Some(1),
        "U16" | "S16" => Some(2),
        "64" => Some(8),
        "128" => Some(16),
        "256" => Some(32),
        _ => None,
    };
    modifiers.split('.').find_map(bytes).unwrap_or(4)
}

/// The functions in what `nvdisasm --print-code` writes, by their names in the machine code.
pub fn read(text: &str) -> BTreeMap<String, Sass> {
    let mut functions: BTreeMap<String, Sass> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) =
            line.strip_prefix(".section").filter(|rest| rest.starts_with(char::is_whitespace))
        {
            let section = rest.trim().split(',').next().unwrap_or_default();
            current = section.strip_prefix(".text.").map(str::to_owned);
            if let Some(name) = &current {
                functions.entry(name.clone()).or_default();
            }
            continue;
        }
        let Some(name) = &current else { continue };
        // `/*0210*/  @!P0 STL.128 [R1], R4 ;`
        let Some((_, rest)) = line.strip_prefix("/*").and_then(|rest| rest.split_once("*/")) else {
            continue;
        };
        let mut words = rest.trim_start_matches([' ', '\t', '{']).split_whitespace();
        let first = words.next().unwrap_or_default();
        let word = if first.starts_with('@') { words.next().unwrap_or_default() } else { first };
        let word = word.trim_end_matches(';');
        if word.starts_with(|c: char| c.is_ascii_uppercase()) {
            functions.entry(name.clone()).or_default().add(word);
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_counted() {
        // As nvdisasm 13.5 writes it.
        let text = "\t.target\tsm_90a

//--------------------- .text.one            --------------------------
\t.section\t.text.one,\"ax\",@progbits
\t.sectioninfo\t@\"SHI_REGISTERS=34\"
\t.align\t128
        .global         one
.text.one:
        /*0000*/                   LDC R1, c[0x0][0x28];
        /*0010*/               @P0 LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0020*/              @!P1 LDG.E.U16.CONSTANT R4, desc[UR4][R2.64] ;
        /*0030*/                   STG.E.64 desc[UR4][R2.64], R4 ;
        /*0040*/                   HGMMA.64x64x16.F32.BF16 R24, gdesc[UR8], RZ, !UPT ;
        /*0050*/                   UTMALDG.2D [UR8], [UR4] ;
        /*0060*/                   SYNCS.PHASECHK.TRANS64.TRYWAIT P0, [R2], R3 ;
        /*0070*/                   EXIT;
.L_x_0:
        /*0080*/                   BRA `(.L_x_0);
        /*0090*/                   NOP;
.L_x_1:

//--------------------- .text._Z3twoIfEvPT_           --------------------------
\t.section\t.text._Z3twoIfEvPT_,\"ax\",@progbits
        /*0000*/                   STL.128 [R1], R4 ;
        /*0010*/                   LDL R9, [R13] ;
        /*0020*/                   LDS.U.64 R2, [R4] ;
        /*0030*/                   WHATEVER.NEW R2 ;
\t.section\t.nv.info,\"\",@\"SHT_CUDA_INFO\"
        /*0000*/                   IADD3 R1, R1, R1, R1 ;";
        let found = read(text);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["_Z3twoIfEvPT_", "one"]);
        let one = &found["one"];
        assert_eq!(one.instructions, 9);
        for (class, count) in [
            (Class::Global, 3),
            (Class::Tensor, 1),
            (Class::AsyncCopy, 1),
            (Class::Barrier, 1),
            (Class::Control, 2),
            (Class::Move, 1),
            (Class::Local, 0),
        ] {
            assert_eq!(one.count(class), count, "{class:?}");
        }
        assert_eq!(one.global_loads, Widths::from([(2, 1), (16, 1)]));
        assert_eq!(one.global_stores, Widths::from([(8, 1)]));
        let two = &found["_Z3twoIfEvPT_"];
        assert_eq!((two.count(Class::Local), two.count(Class::Other)), (2, 1));
        assert_eq!(two.shared_loads, Widths::from([(8, 1)]));
        assert_eq!(read("no code at all"), BTreeMap::new());
    }
}
