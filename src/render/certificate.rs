//! A certificate as a document: one page, to be printed.

use super::Render;
use super::document::{Cell, Document, Section};
use super::plot::Tone;
use super::words::{change, date, few, quantity, word};
use crate::base::error::Exit;
use crate::base::units::counted;
use crate::report::{Certificate, CertifiedDevice, CertifiedLimit, Grade, LimitCheck};

/// Most characters of a name in the headline: a sheet is one page.
const NAME_LIMIT: usize = 64;

impl Certificate {
    /// The exit code that it comes to.
    pub fn exit(&self) -> Exit {
        match self.grade {
            Grade::Pass => Exit::Ok,
            Grade::Open => Exit::Inconclusive,
            Grade::Fail if self.correct[1] > 0 => Exit::WrongResults,
            Grade::Fail => Exit::Regression,
        }
    }
}

impl Render for Certificate {
    fn document(&self) -> Document {
        let kept: usize = self.limits.iter().map(|limit| limit.kept).sum();
        let checked: usize = self.limits.iter().map(|limit| limit.checked).sum();
        let counts = format!("{kept} of {} within limits", counted(checked, "figure"));
        let host = match self.node.host.char_indices().nth(NAME_LIMIT) {
            None => self.node.host.clone(),
            Some((end, _)) => format!("{}…", &self.node.host[..end]),
        };
        let says = match self.reasons.as_slice() {
            [] => counts,
            reasons => reasons.join("; "),
        };
        Document {
            title: "Certificate".to_owned(),
            verdict: format!("{} {host}: {says}", grade(self.grade)),
            exit: Some(self.exit()),
            facts: facts(self),
            sections: [devices(self), limits(self), results(self)].into_iter().flatten().collect(),
            ..Document::default()
        }
    }
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Pass => "PASS",
        Grade::Open => "NOT CERTIFIED",
        Grade::Fail => "FAIL",
    }
}

fn shown(of: Grade) -> Cell {
    let tone = match of {
        Grade::Pass => Tone::Good,
        Grade::Open => Tone::Doubtful,
        Grade::Fail => Tone::Bad,
    };
    Cell::from(grade(of)).taken(tone)
}

fn facts(certificate: &Certificate) -> Vec<String> {
    let node = &certificate.node;
    let cores = node.cores.map(|cores| counted(cores, "core"));
    let memory = node.memory_bytes.map(|it| format!("{:.0} GiB", it as f64 / f64::from(1 << 30)));
    let machine = [node.cpu.clone(), cores, memory, node.os.clone()];
    let machine = machine.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let libraries = certificate.libraries.iter().map(|(name, is)| format!("{name} {is}"));
    let libraries = libraries.collect::<Vec<_>>().join(", ");
    let began = date(certificate.started.as_deref());
    let lines = [
        machine,
        libraries,
        format!("measured {began} to {}, run {}", certificate.finished, certificate.run),
        format!("report {}, tesserabench {}", certificate.file, certificate.build),
    ];
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

fn devices(certificate: &Certificate) -> Option<Section> {
    let link = |device: &CertifiedDevice| {
        let pcie = device.board.pcie_width.map(|width| match device.board.pcie_generation {
            Some(generation) => format!("PCIe {generation} x{width}"),
            None => format!("PCIe x{width}"),
        });
        let nvlinks = device.board.nvlinks.map(|count| counted(count as usize, "NVLink"));
        pcie.into_iter().chain(nvlinks).collect::<Vec<_>>().join(", ")
    };
    let section = Section::table(
        "devices",
        &certificate.devices,
        &[
            ("rank", &|device| Cell::count(device.rank)),
            ("device", &|device| device.device.name.as_str().into()),
            ("serial number", &|device| device.board.serial.as_deref().into()),
            ("uuid", &|device| device.device.uuid.as_deref().into()),
            ("bus", &|device| device.device.pci.as_deref().into()),
            ("firmware", &|device| device.board.firmware.as_deref().into()),
            ("links", &|device| link(device).into()),
            ("own figures", &|device| match device.checked {
                0 => "-".into(),
                checked => Cell::number(checked as f64, |_| {
                    format!("{} of {checked} within limits", checked - device.broken)
                }),
            }),
            ("result", &|device| match device.checked {
                0 => "-".into(),
                _ => shown(device.grade),
            }),
        ],
    );
    let alone = certificate
        .devices
        .iter()
        .any(|device| device.checked == 0)
        .then_some("-: nothing that this device did by itself was held against a limit");
    Some(section?.outcome("result").spare(&["own figures", "links", "firmware", "bus"]).with(alone))
}

fn limits(certificate: &Certificate) -> Option<Section> {
    let figure = |limit: &CertifiedLimit, of: fn(&LimitCheck) -> Option<f64>| {
        let worst = limit.worst.as_ref();
        let value = worst.and_then(of);
        Cell::number(value, |value| quantity(value, worst.map_or("", |check| &check.unit)))
    };
    let section = Section::table(
        "limits",
        &certificate.limits,
        &[
            ("limit", &|limit: &&CertifiedLimit| Cell::count(limit.limit)),
            ("is", &|limit| limit.says.as_str().into()),
            ("figures", &|limit| Cell::count(limit.checked)),
            ("within", &|limit| Cell::count(limit.kept)),
            ("worst", &|limit| figure(limit, |check| check.value)),
            ("bound", &|limit| figure(limit, |check| check.bound)),
            ("room", &|limit| {
                let missing = limit.worst.as_ref().and_then(|check| check.missing_percent);
                Cell::number(missing.map(|missing| -missing), change)
            }),
            ("of", &|limit| {
                let worst = limit.worst.as_ref();
                worst
                    .map(|check| match &check.of {
                        Some(of) => format!("{}, {of}", check.case),
                        None => check.case.clone(),
                    })
                    .into()
            }),
            ("result", &|limit| shown(limit.grade)),
        ],
    );
    let unchecked = certificate.limits.iter().filter(|limit| limit.unchecked > 0);
    let unchecked = unchecked.map(|limit| {
        let why = limit.worst.as_ref().and_then(|check| check.why.as_deref());
        let count = counted(limit.unchecked, "check");
        format!("limit {}: {count} not made: {}", limit.limit, why.unwrap_or("there is no figure"))
    });
    Some(section?.outcome("result").spare(&["of", "room"]).with(unchecked.collect::<Vec<_>>()))
}

/// What else was found on the node.
fn results(certificate: &Certificate) -> Option<Section> {
    let outcomes = certificate.cases.iter().map(|(how, count)| format!("{count} {}", word(how)));
    let [checked, wrong] = certificate.correct;
    let caveats =
        certificate.caveats.iter().map(|(mark, n)| format!("{mark} ({})", counted(*n, "case")));
    let caveats: Vec<String> = caveats.collect();
    let lines = [
        format!("cases: {}", outcomes.collect::<Vec<_>>().join(", ")),
        format!("results: {} checked, {wrong} wrong", counted(checked, "case")),
    ];
    let caveats = (!caveats.is_empty()).then(|| format!("notes: {}", few(&caveats, 8)));
    Section::notes("results", lines.into_iter().chain(caveats))
}
