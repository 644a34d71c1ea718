//! Logs on stderr, one line each, tagged with the rank.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::base::plain::printed;

/// Starts logging: warnings, or more or less of it. `RUST_LOG` overrides, but for errors, which are always told.
pub(super) fn start(verbose: u8, quiet: bool) {
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let told = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // It would be told on standard error, too.
        .log_internal_errors(false)
        .event_format(Line)
        .with_filter(filter.or(LevelFilter::ERROR));
    tracing_subscriber::registry().with(told).init();
}

/// `tesserabench: error: …` alone, `tesserabench[1]: error: …` as rank 1.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "tesserabench")?;
        if let Some(rank) = crate::world::progress::rank() {
            write!(writer, "[{rank}]")?;
        }
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        let level = if level == "warn" { "warning" } else { &level };
        write!(writer, ": {level}: ")?;
        // What is told may name things from files.
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        writeln!(writer, "{}", printed(&text))
    }
}
