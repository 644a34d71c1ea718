//! Energy from counters that a test plants.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::ranks::{ranks, tesserabench};
use crate::runs::validate;

/// What a planted package draws, W.
const WATTS: u64 = 50;
/// Where its counter begins again, µJ.
const WRAPS: u64 = 262_143_328_850;

fn domain(folder: &Path, number: u32, name: &str) -> std::path::PathBuf {
    let domain = folder.join(format!("powercap/intel-rapl:{number}"));
    std::fs::create_dir_all(&domain).unwrap();
    std::fs::write(domain.join("name"), format!("{name}\n")).unwrap();
    std::fs::write(domain.join("max_energy_range_uj"), format!("{WRAPS}\n")).unwrap();
    std::fs::write(domain.join("energy_uj"), "0\n").unwrap();
    domain
}

/// Two packages: one draws power and soon wraps, the other one draws nothing.
fn plant(folder: &Path) {
    let first = domain(folder, 0, "package-0");
    domain(folder, 1, "package-1");
    domain(folder, 2, "psys");
    let write = move |joules: u64| {
        // Nobody may find it half written.
        let next = first.join("next");
        std::fs::write(&next, format!("{}\n", (WRAPS - 5_000_000 + joules) % WRAPS))?;
        std::fs::rename(next, first.join("energy_uj"))
    };
    write(0).unwrap();
    // Until the run's folder is gone.
    thread::spawn(move || {
        let mut drawn = 0;
        while write(drawn).is_ok() {
            thread::sleep(Duration::from_millis(10));
            drawn += WATTS * 10_000;
        }
    });
}

#[test]
fn a_case_has_the_energy_of_its_nodes_packages() {
    let words = "-b copy --problem-size array=64KiB --min-time 500ms -o results.json -o a.csv -o a.md -o a.html";
    let run = ranks(2, words).env("TESSERABENCH_POWERCAP", "powercap").set_up(plant);
    let ended = run.passes();
    let report = ended.report();
    validate(&report);
    let case = report["cases"].as_array().unwrap().iter().find(|case| case["group_size"] == 2);
    let case = case.unwrap();
    let energy = &case["energy"];
    let counters = energy["counters"].as_array().unwrap();
    // One rank reads for both, and the whole system is no package.
    let read: Vec<_> = counters.iter().map(|it| (&it["package"], &it["rank"], &it["of"])).collect();
    let of = &"cpu_package".into();
    assert_eq!(read, [(&"package-0".into(), &0.into(), of), (&"package-1".into(), &0.into(), of)]);
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert!(number(&counters[0]["joules"]) > 0.0 && number(&counters[1]["joules"]) == 0.0);
    assert!(number(&counters[0]["idle_watts"]) > 0.0 && number(&counters[1]["idle_watts"]) == 0.0);
    assert_eq!(number(&energy["joules"]), number(&counters[0]["joules"]));
    let idle = number(&counters[0]["idle_watts"]) * number(&counters[0]["seconds"]);
    assert_eq!(number(&energy["idle_joules"]), idle);
    assert!(number(&energy["operations"]) >= number(&case["iterations"]));
    let metrics = &case["metrics"];
    let above = (number(&energy["joules"]) - idle) / number(&energy["operations"]);
    let told = (above > 0.0).then_some(above);
    assert_eq!(metrics["joules_per_operation"].as_f64(), told);
    assert_eq!(metrics["joules_per_gb"].is_null(), told.is_none());
    for text in [ended.out.clone(), ended.read("a.md"), ended.read("a.html")] {
        assert!(text.contains("idle power"), "{text}");
    }
    assert!(ended.read("a.csv").lines().next().unwrap().contains("joules_per_gb"));
}

#[test]
fn counters_that_are_not_there_or_not_readable_are_told() {
    let none = tesserabench("system-info").env("TESSERABENCH_POWERCAP", "powercap").passes();
    assert!(none.out.contains("has no energy counter of a CPU package"), "{}", none.out);
    let run = tesserabench("system-info").env("TESSERABENCH_POWERCAP", "powercap");
    let unreadable = run.set_up(|folder| {
        // Not even root can read a folder as a file.
        let counter = domain(folder, 0, "package-0").join("energy_uj");
        std::fs::remove_file(&counter).unwrap();
        std::fs::create_dir(&counter).unwrap();
    });
    let told = unreadable.passes().out;
    assert!(
        told.contains("cannot be read") && told.contains("run as root, or chmod a+r"),
        "{told}"
    );
    let run = ranks(2, "-b copy --problem-size array=64KiB --quick");
    let without = run.env("TESSERABENCH_POWERCAP", "powercap").passes();
    assert!(without.report()["cases"][0]["energy"].is_null());
    assert!(!without.out.contains("idle power"), "{}", without.out);
}
