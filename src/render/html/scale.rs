//! From values on an axis to places on a drawing, and the values that are written beside it.

use crate::base::units::format_size;
use crate::render::plot::Axis;

/// Times in the units people read, in ms, the largest first.
const TIMES: [(f64, &str); 4] = [(1e3, "s"), (1.0, "ms"), (1e-3, "us"), (0.0, "ns")];

/// Beyond these, differences of figures are no numbers any more.
const LEAST: f64 = 1e-100;
const MOST: f64 = 1e100;

/// An axis on a drawing.
#[derive(Debug)]
pub(super) struct Scale<'a> {
    axis: &'a Axis,
    /// The ends, or their logarithms.
    ends: [f64; 2],
    /// Their places.
    places: [f64; 2],
    /// Values that are measured, of an axis of sizes.
    sizes: Vec<f64>,
}

/// A value beside an axis: where, and what is written there.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) place: f64,
    pub(super) says: String,
}

impl<'a> Scale<'a> {
    /// The axis between two places, so long that it has all these values. `None` where it has none of them.
    pub(super) fn new(
        axis: &'a Axis,
        values: impl IntoIterator<Item = f64>,
        places: [f64; 2],
    ) -> Option<Self> {
        if !axis.names.is_empty() {
            let ends = [-0.5, axis.names.len() as f64 - 0.5];
            return Some(Self { axis, ends, places, sizes: Vec::new() });
        }
        let values = values.into_iter().chain(axis.covers.into_iter().flatten());
        let values: Vec<f64> = values.filter(|value| is_on(axis, *value)).collect();
        let mut sizes = if axis.unit == "B" { values.clone() } else { Vec::new() };
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let values = values.into_iter().map(|value| if axis.log { value.log10() } else { value });
        let [low, high] = values.fold(None, |ends: Option<[f64; 2]>, value| match ends {
            None => Some([value, value]),
            Some([low, high]) => Some([low.min(value), high.max(value)]),
        })?;
        let room = match high - low {
            0.0 if axis.log => 0.3,
            0.0 => 0.5 * high.abs().max(1.0),
            width => 0.05 * width,
        };
        let from_zero = !axis.log && low >= 0.0 && low <= 0.3 * high;
        let low = if from_zero { 0.0 } else { low - room };
        Some(Self { axis, ends: [low, high + room], places, sizes })
    }

    /// The place of a value; `None` of one that is not on the axis.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        is_on(self.axis, value).then(|| {
            let share = self.share(if self.axis.log { value.log10() } else { value });
            self.places[0] + share.clamp(-1.0, 2.0) * (self.places[1] - self.places[0])
        })
    }

    fn share(&self, value: f64) -> f64 {
        (value - self.ends[0]) / (self.ends[1] - self.ends[0])
    }

    /// About so many values along the axis.
    pub(super) fn ticks(&self, most: usize) -> Vec<Tick> {
        let [low, high] = self.ends;
        let values: Vec<f64> = match (self.axis.names.len(), self.axis.log) {
            (0, false) => steps(low, high, most),
            (0, true) if self.are_apart(most) => {
                self.sizes.iter().step_by(self.sizes.len().div_ceil(most)).copied().collect()
            }
            (0, true) if self.doubles() => powers(2.0, self.ends, most),
            (0, true) if high - low > 3.5 => powers(10.0, self.ends, most),
            (0, true) => {
                let digits: &[f64] = if high - low > 2.2 { &[1.0, 3.0] } else { &[1.0, 2.0, 5.0] };
                let decades = low.floor() as i32..=high.ceil() as i32;
                let all = decades
                    .flat_map(|decade| digits.iter().map(move |digit| digit * 10f64.powi(decade)));
                let few: Vec<f64> =
                    all.filter(|value| (low..=high).contains(&value.log10())).collect();
                let linear = || steps(10f64.powf(low), 10f64.powf(high), most);
                if few.len() > 2 { few } else { linear() }
            }
            (names, _) => {
                let stride = [1, 2, 5, 10, 20, 25, 50].into_iter().find(|it| it * most >= names);
                let stride = stride.unwrap_or(names.div_ceil(most));
                (0..names).step_by(stride).map(|at| at as f64).collect()
            }
        };
        let tick = |value: f64| Some(Tick { place: self.place(value)?, says: self.says(value) });
        values.into_iter().filter_map(tick).collect()
    }

    /// Whether sizes that were measured are so few, or so far apart, that each or every second one has room beside the axis.
    fn are_apart(&self, most: usize) -> bool {
        let stride = self.sizes.len().div_ceil(most).max(1);
        let shown: Vec<f64> =
            self.sizes.iter().step_by(stride).map(|size| self.share(size.log10())).collect();
        shown.len() > 2 && shown.windows(2).all(|pair| pair[1] - pair[0] >= 0.9 / most as f64)
    }

    /// Whether people think of its values as powers of two.
    fn doubles(&self) -> bool {
        ["B", ""].contains(&self.axis.unit.as_str())
    }

    fn says(&self, value: f64) -> String {
        match self.axis.unit.as_str() {
            _ if !self.axis.names.is_empty() => self.axis.names[value as usize].clone(),
            "B" if value >= 1.0 => format_size(value as u64),
            "ms" if value > 0.0 => {
                let (one, unit) =
                    TIMES.iter().find(|(one, _)| value >= 0.999 * one).unwrap_or(&TIMES[3]);
                format!("{} {unit}", short(value / if *one > 0.0 { *one } else { 1e-6 }))
            }
            _ => short(value),
        }
    }

    /// The axis's name with the unit of its ticks, where these have none.
    pub(super) fn title(&self) -> String {
        match self.axis.unit.as_str() {
            "" | "B" | "ms" | "x" => self.axis.name.clone(),
            unit => format!("{}, {unit}", self.axis.name),
        }
    }
}

fn is_on(axis: &Axis, value: f64) -> bool {
    if axis.log { (LEAST..MOST).contains(&value) } else { value.abs() < MOST }
}

/// A number without digits that say nothing.
fn short(value: f64) -> String {
    match value.abs() {
        1e-4..1e6 => ((value * 1e6).round() / 1e6).to_string(),
        0.0 => "0".to_owned(),
        _ => format!("{value:.0e}"),
    }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn steps(low: f64, high: f64, most: usize) -> Vec<f64> {
    let rough = (high - low) / most as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step).ceil();
    (0..=most).map(|at| (first + at as f64) * step).filter(|value| *value <= high).collect()
}

/// Powers of a base between two logarithms to ten.
fn powers(base: f64, ends: [f64; 2], most: usize) -> Vec<f64> {
    let [low, high] = ends.map(|end| end / base.log10());
    let stride = ((high - low) / most as f64).ceil().max(1.0);
    let first = (low / stride).ceil();
    let all = (0..=most).map(|at| (first + at as f64) * stride);
    all.filter(|power| *power <= high).map(|power| base.powf(power)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(axis: &Axis, values: &[f64]) -> Vec<String> {
        let scale = Scale::new(axis, values.iter().copied(), [0.0, 100.0]).unwrap();
        let ticks = scale.ticks(6);
        assert!(ticks.iter().all(|tick| (0.0..=100.0).contains(&tick.place)), "{ticks:?}");
        ticks.into_iter().map(|tick| tick.says).collect()
    }

    #[test]
    fn values_beside_an_axis_are_round() {
        assert_eq!(
            says(&Axis::linear("", "%"), &[0.0, 100.0]),
            ["0", "20", "40", "60", "80", "100"]
        );
        assert_eq!(
            says(&Axis::log("", "B"), &[8.0, 67_108_864.0]),
            ["32B", "1KiB", "32KiB", "1MiB", "32MiB"]
        );
        assert_eq!(says(&Axis::log("", ""), &[1.0, 8.0]), ["1", "2", "4", "8"]);
        assert_eq!(
            says(&Axis::log("", "ms"), &[0.000_5, 2000.0]),
            ["10 us", "1 ms", "100 ms"].map(str::to_owned)
        );
        assert_eq!(says(&Axis::log("", "GB/s"), &[1.0, 9.0]), ["1", "2", "5", "10"]);
        assert_eq!(says(&Axis::places("", ["a", "b"].map(str::to_owned)), &[]), ["a", "b"]);
    }

    #[test]
    fn what_is_on_no_axis_has_no_place() {
        let (linear, log) = (Axis::linear("", ""), Axis::log("", ""));
        for wild in [f64::NAN, f64::INFINITY, -f64::MAX] {
            assert!(Scale::new(&linear, [wild], [0.0, 1.0]).is_none());
        }
        assert!(Scale::new(&log, [0.0, -1.0], [0.0, 1.0]).is_none());
        for one in [0.0, -3.0, 1e-90, 1e99] {
            let scale = Scale::new(&linear, [one], [0.0, 1.0]).unwrap();
            assert!(scale.place(one).is_some_and(|place| (0.0..=1.0).contains(&place)));
            assert!(scale.ticks(6).len() <= 7);
        }
    }
}
