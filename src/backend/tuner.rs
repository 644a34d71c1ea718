//! Searches the fastest form of a kernel on the device at hand, and keeps what it found.

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};

use crate::base::cache::Cache;
use crate::base::error::{Error, Kind, Result};
use crate::base::random::fingerprint;
use crate::base::units::Nanos;
use crate::benchmark::kernel::{Axis, Choice, ChosenBy, KernelRun, Tuning};
use crate::machine::kernel::HEADERS;
use crate::world::WaitPolicy;
use crate::world::clock::{Clock as _, HostClock};

/// Longest search of a case, ns: what is not tried by then is left out, and counted.
const LIMIT: Nanos = 5_000_000_000;

/// A form is timed at least so often, and until it took so long, ns, but not more often than this.
const RUNS: (u32, Nanos, u32) = (3, 10_000_000, 20);

/// How much faster another form must be than the first one, so that noise chooses none.
const GAIN: f64 = 0.02;

/// A kernel of which something is chosen.
pub(super) trait Tunable {
    /// Takes the form of this choice.
    ///
    /// # Errors
    /// Unsupported or unfit where the device cannot do that.
    fn choose(&mut self, choice: &Choice) -> Result<()>;

    /// Runs once, on data as it is measured with.
    ///
    /// # Errors
    /// When the device fails.
    fn time(&mut self, clock: &HostClock) -> Result<Nanos>;

    /// What else is known of the form in use, by name.
    ///
    /// # Errors
    /// When it cannot be read.
    fn facts(&self) -> Result<Vec<(&'static str, u64)>> {
        Ok(Vec::new())
    }

    /// The version of the library whose forms are tried; another one's may be others.
    fn library(&self) -> Option<String> {
        None
    }
}

/// Whether and for what it searches.
#[derive(Debug, Clone)]
pub(super) struct Tuner {
    is_on: bool,
    device: String,
    /// Opened for the first search; nothing where no folder is one's own.
    cache: OnceCell<Option<Cache>>,
}

/// What is kept of a search.
#[derive(Serialize, Deserialize)]
struct Kept {
    choice: Choice,
    tuning: Tuning,
}

/// What a search took, and found.
struct Search {
    times: Vec<(Choice, Nanos)>,
    combinations: usize,
    seconds: f64,
}

impl Tuner {
    /// For a device of this name.
    pub(super) fn new(is_on: bool, device: String) -> Self {
        Self { is_on, device, cache: OnceCell::new() }
    }

    /// Lets a kernel take the best of its forms; nothing is said of one that has only one.
    ///
    /// # Errors
    /// When its first form cannot run.
    pub(super) fn tune(
        &self,
        run: &KernelRun,
        axes: &[Axis],
        kernel: &mut dyn Tunable,
    ) -> Result<Option<Tuning>> {
        if axes.is_empty() {
            return Ok(None);
        }
        let first = Choice::first(axes);
        if !self.is_on {
            kernel.choose(&first)?;
            return Ok(Some(told(kernel, &first, ChosenBy::Default, &Search::none(axes))?));
        }
        let cache = self.cache.get_or_init(|| {
            let open = Cache::open("tuning");
            open.map_err(|why| tracing::warn!("forms are searched anew each time: {why}")).ok()
        });
        let key = self.key(run, axes, kernel.library())?;
        if let Some(kept) = cache.as_ref().and_then(|cache| kept(cache, &key, axes))
            && kernel.choose(&kept.choice).is_ok()
        {
            return Ok(Some(Tuning { by: ChosenBy::Cache, seconds: 0.0, ..kept.tuning }));
        }
        let search = search(axes, kernel)?;
        let (best, _) = search.best();
        kernel.choose(best)?;
        let tuning = told(kernel, best, ChosenBy::Search, &search)?;
        if let Some(cache) = cache {
            let kept = Kept { choice: best.clone(), tuning: tuning.clone() };
            let written = serde_json::to_vec(&kept).map_err(|why| Error::internal(why.to_string()));
            if let Err(why) = written.and_then(|bytes| cache.put(&key, &bytes)) {
                tracing::warn!("what the search found is not kept: {why}");
            }
        }
        Ok(Some(tuning))
    }

    /// All that decides what is best.
    fn key(&self, run: &KernelRun, axes: &[Axis], library: Option<String>) -> Result<Vec<u8>> {
        // With what it may include.
        let headers = || HEADERS.iter().flat_map(|(_, text)| text.bytes());
        let source = run.kernel.source();
        let source =
            source.map(|source| fingerprint(source.code.bytes().iter().copied().chain(headers())));
        // What CPUs run is compiled into the program.
        let build = env!("TESSERABENCH_BUILD");
        let key = (
            build,
            &self.device,
            &run.kernel.name,
            (source, library),
            (run.element, run.level),
            &run.sizes,
            axes,
        );
        serde_json::to_vec(&key).map_err(|why| Error::internal(why.to_string()))
    }
}

fn kept(cache: &Cache, key: &[u8], axes: &[Axis]) -> Option<Kept> {
    let kept: Kept = serde_json::from_slice(&cache.get(key)?).ok()?;
    kept.choice.is_of(axes).then_some(kept)
}

fn search(axes: &[Axis], kernel: &mut dyn Tunable) -> Result<Search> {
    let clock = HostClock::new(WaitPolicy::Spin);
    let began = clock.now();
    let mut search = Search::none(axes);
    for choice in Choice::all(axes) {
        match kernel.choose(&choice).and_then(|()| shortest(kernel, &clock)) {
            Ok(time) => search.times.push((choice, time)),
            // A form may be too large for the device. The first is what is measured without a search.
            Err(why) if search.times.is_empty() || why.kind == Kind::CaseFailed => return Err(why),
            Err(_) => {}
        }
        if clock.now() - began > LIMIT {
            break;
        }
    }
    search.seconds = (clock.now() - began) as f64 * 1e-9;
    Ok(search)
}

/// The shortest of several times, after a run that is not timed.
fn shortest(kernel: &mut dyn Tunable, clock: &HostClock) -> Result<Nanos> {
    let (least, enough, most) = RUNS;
    kernel.time(clock)?;
    let began = clock.now();
    let mut shortest = kernel.time(clock)?;
    for number in 1..most {
        if number >= least && clock.now() - began >= enough {
            break;
        }
        shortest = shortest.min(kernel.time(clock)?);
    }
    Ok(shortest)
}

impl Search {
    fn none(axes: &[Axis]) -> Self {
        Self { times: Vec::new(), combinations: Choice::count(axes), seconds: 0.0 }
    }

    /// The fastest form, if it is clearly faster than the first; with its time.
    fn best(&self) -> &(Choice, Nanos) {
        let first = &self.times[0];
        let fastest = self.times.iter().min_by_key(|(_, time)| *time).unwrap_or(first);
        let is_clear = (fastest.1 as f64) < (1.0 - GAIN) * first.1 as f64;
        if is_clear { fastest } else { first }
    }
}

/// What is told of a kernel in this form.
fn told(kernel: &dyn Tunable, choice: &Choice, by: ChosenBy, search: &Search) -> Result<Tuning> {
    let ms = |time: &Nanos| *time as f64 / 1e6;
    let time = |wanted: &Choice| {
        search.times.iter().find(|(choice, _)| choice == wanted).map(|(_, time)| ms(time))
    };
    let facts = kernel.facts()?.into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(Tuning {
        choice: choice.0.iter().cloned().chain(facts).collect(),
        by,
        tried: search.times.len(),
        combinations: search.combinations,
        seconds: search.seconds,
        default_ms: search.times.first().map(|(_, time)| ms(time)),
        best_ms: time(choice),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so long as its form says; a form of 9 is too large.
    struct Known {
        now: u64,
        runs: usize,
    }

    impl Tunable for Known {
        fn choose(&mut self, choice: &Choice) -> Result<()> {
            self.now = choice.0[0].1;
            if self.now == 9 { Err(Error::unsupported("too large")) } else { Ok(()) }
        }

        fn time(&mut self, _: &HostClock) -> Result<Nanos> {
            self.runs += 1;
            Ok(self.now as Nanos * 1000)
        }
    }

    fn known() -> Known {
        Known { now: 0, runs: 0 }
    }

    fn searched(values: &[u64]) -> Result<Search> {
        let axes = [Axis { name: "tile".to_owned(), values: values.to_vec() }];
        search(&axes, &mut known())
    }

    #[test]
    fn the_fastest_form_is_chosen_where_it_is_clearly_faster() {
        for (values, best, tried) in
            [(&[100, 80, 120][..], 80, 3), (&[100, 99], 100, 2), (&[100, 9, 50], 50, 2)]
        {
            let search = searched(values).unwrap();
            assert_eq!((search.best().0.0[0].1, search.times.len()), (best, tried));
            assert_eq!(search.combinations, values.len());
            let told = told(&known(), &search.best().0, ChosenBy::Search, &search).unwrap();
            assert_eq!((told.default_ms, told.best_ms), (Some(0.1), Some(best as f64 / 1e3)));
        }
        assert!(searched(&[9, 100]).is_err(), "the first form cannot run");
    }

    #[test]
    fn a_form_is_timed_several_times() {
        let mut known = Known { now: 1, ..known() };
        shortest(&mut known, &HostClock::new(WaitPolicy::Spin)).unwrap();
        assert!((4..=21).contains(&known.runs), "{}", known.runs);
    }
}
