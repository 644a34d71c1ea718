//! What a report says of energy below its table.

use crate::base::units::significant;
use crate::machine::energy::{Counted, Energy};
use crate::report::Case;

/// Whose energy it is, how much an idle machine draws, and why some cases have none.
pub(super) fn told(cases: &[&Case]) -> Option<String> {
    let all = cases.iter().filter_map(|case| case.measured.as_ref()?.energy.as_ref());
    let all: Vec<&Energy> = all.collect();
    let draws = || all.iter().flat_map(|energy| energy.added());
    let of = match draws().next()?.of {
        Counted::Gpu => "the GPUs'",
        Counted::CpuPackage => "the CPU packages' of the nodes, with all that runs there,",
    };
    let idle = || draws().filter_map(|draw| draw.idle_watts);
    let idle = idle().reduce(f64::min).zip(idle().reduce(f64::max));
    let idle = idle.map_or("unknown".to_owned(), |(least, most)| match least < most {
        true => format!("{} to {} W each", significant(least), significant(most)),
        false => format!("{} W each", significant(least)),
    });
    let without = all.iter().filter(|energy| energy.of_operation().is_none()).count();
    let missing = draws().find_map(|draw| draw.missing.as_deref());
    let why = missing.unwrap_or(
        "a case takes 0.1 s by CPU counters and 1 s by GPU counters, and more than an idle machine; see --min-time",
    );
    let without = (without > 0).then(|| format!("; missing in {without}: {why}"));
    Some(format!(
        "energy: {of} of one operation, waits between operations included, less idle power ({idle}){}",
        without.unwrap_or_default()
    ))
}
