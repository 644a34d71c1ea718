//! `--case`: only some of the cases.

use std::collections::HashSet;

use wildmatch::WildMatch;

use super::Case;
use crate::base::error::{Error, Result, nearest};

/// The cases of these ids or globs, and what runs at the same time as one of them.
pub(super) fn only(cases: Vec<Case>, names: &[String]) -> Result<Vec<Case>> {
    let (globs, ids): (Vec<&String>, Vec<&String>) =
        names.iter().partition(|name| name.contains(['*', '?']));
    let known: HashSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    let ids: HashSet<&str> = ids.into_iter().map(String::as_str).collect();
    let globs: Vec<WildMatch> = globs.into_iter().map(|glob| WildMatch::new(glob)).collect();
    for name in names {
        let found = match name.contains(['*', '?']) {
            true => known.iter().any(|id| WildMatch::new(name).matches(id)),
            false => known.contains(name.as_str()),
        };
        if !found {
            let instead = match nearest(name, known.iter().copied()) {
                Some(id) => format!("did you mean '{id}'?"),
                None => "--dry-run lists all".to_owned(),
            };
            return Err(Error::usage(format!("--case '{name}' names no case; {instead}")));
        }
    }
    let is_named = |case: &Case| {
        ids.contains(case.id.as_str()) || globs.iter().any(|glob| glob.matches(&case.id))
    };
    // A case beside others is another one without them.
    let sets = cases.chunk_by(Case::runs_with).filter(|set| set.iter().any(is_named));
    Ok(sets.flatten().cloned().collect())
}
