//! Finished results read together, as one verdict: what a gate says that several runs lead to.

use serde::Serialize;

use super::document::{Attention, Cell, Document, Section};
use super::plot::Tone;
use super::{Note, Render};
use crate::base::error::Exit;
use crate::base::units::counted;

/// Results that pass together or not at all.
#[derive(Serialize)]
pub struct Gate {
    results: Vec<Judged>,
    /// The worst exit code.
    exit: u8,
}

/// One of them.
#[derive(Serialize)]
pub struct Judged {
    /// What it is called.
    name: String,
    /// What it says.
    verdict: String,
    /// Its exit code.
    exit: u8,
    #[serde(skip)]
    document: Document,
    #[serde(skip)]
    annotations: String,
}

impl Judged {
    /// A result of this name, and the code that it ended in.
    pub fn new<R: Render>(name: &str, result: &R, exit: Exit) -> Self {
        let (document, annotations) = (result.document(), result.annotations());
        let verdict = document.verdict.clone();
        Self { name: name.to_owned(), verdict, exit: exit.code(), document, annotations }
    }

    /// Its parts as parts of a whole, where a name tells what is its own.
    fn parts(&self) -> (Vec<Section>, Vec<Attention>) {
        let named = |text: &str| match text {
            "" => self.name.clone(),
            text => format!("{}: {text}", self.name),
        };
        let sections = self.document.sections.iter().cloned();
        let sections = sections.map(|section| Section { title: named(&section.title), ..section });
        let is_title = |at: &str| self.document.sections.iter().any(|it| it.title == at);
        let attention = self.document.attention.iter().map(|item| Attention {
            says: named(&item.says),
            at: if is_title(&item.at) { named(&item.at) } else { item.at.clone() },
            tone: item.tone,
        });
        (sections.collect(), attention.collect())
    }
}

impl Gate {
    /// The gate of these results.
    pub fn of(results: Vec<Judged>) -> Self {
        let exits = results.iter().filter_map(|result| Exit::from_code(result.exit));
        let exit = exits.fold(Exit::Ok, Exit::worst).code();
        Self { results, exit }
    }

    /// The worst exit.
    pub fn exit(&self) -> Exit {
        Exit::from_code(self.exit).unwrap_or(Exit::Internal)
    }

    /// A line on each: what it says, behind its name where there are several.
    pub fn lines(&self) -> Vec<String> {
        match &self.results[..] {
            [only] => vec![only.verdict.clone()],
            all => all.iter().map(|it| format!("{}: {}", it.name, it.verdict)).collect(),
        }
    }

    fn verdict(&self) -> String {
        let (all, worst) = (self.results.len(), |it: &&Judged| it.exit == self.exit);
        let failed = self.results.iter().filter(|result| result.exit != Exit::Ok.code()).count();
        match self.results.iter().find(worst).filter(|_| failed > 0) {
            None => format!("{} passed", counted(all, "result")),
            Some(worst) => {
                format!("{failed} of {all} did not pass; {}: {}", worst.name, worst.verdict)
            }
        }
    }
}

impl Render for Gate {
    fn document(&self) -> Document {
        if let [only] = &self.results[..] {
            return only.document.clone();
        }
        let overview = Section::table(
            "results",
            &self.results,
            &[
                ("result", &|it| it.name.as_str().into()),
                ("verdict", &|it| Cell::from(it.verdict.as_str()).taken(it.document.tone())),
                ("exit", &|it| Cell::number(Some(f64::from(it.exit)), |code| code.to_string())),
            ],
        );
        let overview = overview.map(|section| section.outcome("verdict"));
        let (sections, attention): (Vec<_>, Vec<_>) =
            self.results.iter().map(Judged::parts).unzip();
        let mut attention = attention.concat();
        attention.sort_by_key(|item| item.tone != Tone::Bad);
        let facts = self.results.iter().map(|it| {
            let own = it.document.facts.iter().cloned().map(Note::below);
            [Note::from(it.name.clone())].into_iter().chain(own)
        });
        let origin = Section::notes("where the results come from", facts.flatten());
        Document {
            title: "Benchmarks".to_owned(),
            attention,
            sections: overview.into_iter().chain(sections.concat()).chain(origin).collect(),
            verdict: self.verdict(),
            exit: Some(self.exit()),
            unsure: self.results.iter().any(|result| result.document.unsure),
            ..Document::default()
        }
    }

    fn annotations(&self) -> String {
        self.results.iter().map(|result| result.annotations.as_str()).collect()
    }
}
