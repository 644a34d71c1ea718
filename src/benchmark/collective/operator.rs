//! How elements of several ranks become one.

use serde::{Deserialize, Serialize};

/// A reduction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Their sum.
    #[default]
    Sum,
    /// Their product.
    Prod,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Their mean; NCCL only.
    Avg,
    /// The sum of each times a number (NCCL's `PreMulSum`); NCCL only.
    MulSum,
    /// Whether all are other than 0.
    Land,
    /// Whether any is other than 0.
    Lor,
    /// Whether an odd number of them is other than 0.
    Lxor,
    /// Bits that all have.
    Band,
    /// Bits that any has.
    Bor,
    /// Bits that an odd number of them has.
    Bxor,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 12] = {
        use Operator::*;
        [Sum, Prod, Max, Min, Avg, MulSum, Land, Lor, Lxor, Band, Bor, Bxor]
    };

    /// Their names, as in nccl-tests and, for the logical ones, as in MPI.
    pub const NAMES: [&'static str; 12] = [
        "sum", "prod", "max", "min", "avg", "mulsum", "land", "lor", "lxor", "band", "bor", "bxor",
    ];

    /// The operator called `name`.
    pub fn find(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|at| Self::ALL[at])
    }

    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Whether it looks at bits or truth, which floats have not.
    pub fn is_logical(self) -> bool {
        matches!(self, Self::Land | Self::Lor | Self::Lxor | Self::Band | Self::Bor | Self::Bxor)
    }

    /// A value that stays when ranks that all have it are reduced: what is timed in place. A mean of ones
    /// may be less than one: NCCL adds up n times 1/n, rounded.
    pub fn fixed_point(self) -> i64 {
        match self {
            Self::Sum | Self::MulSum | Self::Avg | Self::Lxor | Self::Bxor => 0,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_operators_and_back() {
        for operator in Operator::ALL {
            assert_eq!(Operator::find(operator.name()), Some(operator));
            assert_eq!(format!("{operator:?}").to_lowercase(), operator.name());
        }
    }
}
