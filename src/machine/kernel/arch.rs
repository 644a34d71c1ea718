//! Architectures of GPUs, and what runs where.

/// An architecture, such as `sm_90a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arch {
    pub(super) major: u32,
    pub(super) minor: u32,
    /// `a`: has what only this architecture has; `f`: what only this generation has.
    pub(super) suffix: Option<char>,
}

impl Arch {
    /// From `sm_90a`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = text.strip_prefix("sm_")?;
        let suffix = number.chars().next_back().filter(|c| ['a', 'f'].contains(c));
        Self::of(number.trim_end_matches(['a', 'f']).parse().ok()?, suffix)
    }

    /// From 90.
    pub(super) fn of(number: u32, suffix: Option<char>) -> Option<Self> {
        (number >= 10).then_some(Self { major: number / 10, minor: number % 10, suffix })
    }

    /// Whether the driver can compile PTX for it for a device of this architecture.
    pub(super) fn compiles_for(self, device: Self) -> bool {
        let (own, other) = ((self.major, self.minor), (device.major, device.minor));
        match self.suffix {
            Some('a') => own == other,
            Some(_) => self.major == device.major && own <= other,
            None => own <= other,
        }
    }

    /// Whether its machine code runs on a device of this architecture, as far as that is known.
    pub(super) fn runs_on(self, device: Self) -> bool {
        self.major == device.major && self.minor <= device.minor
    }

    /// Compute capability, major and minor.
    pub(super) fn capability(self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// `sm_90` of a device, `compute_90` of PTX, without a suffix.
    pub(super) fn name(self, kind: &str) -> String {
        format!("{kind}_{}{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_runs_where_its_architecture_allows() {
        let of = |text| Arch::parse(text).unwrap();
        for (code, device, compiles, runs) in [
            ("sm_80", "sm_86", true, true),
            ("sm_86", "sm_80", false, false),
            ("sm_80", "sm_90a", true, false),
            ("sm_90a", "sm_90a", true, true),
            ("sm_90a", "sm_100a", false, false),
            ("sm_100f", "sm_103a", true, true),
            ("sm_100f", "sm_120a", false, false),
        ] {
            let found = (of(code).compiles_for(of(device)), of(code).runs_on(of(device)));
            assert_eq!(found, (compiles, runs), "{code} {device}");
        }
        assert_eq!((Arch::parse("compute_80"), Arch::parse("sm_x")), (None, None));
    }
}
