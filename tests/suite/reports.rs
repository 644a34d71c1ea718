//! What is made of reports for others: comments, fleets, certificates, support bundles.

use std::io::Read as _;

use serde_json::Value;

use crate::ranks::{Ended, Run, ranks, tesserabench};

/// Reports of three nodes, of which the last has another driver and one setting more.
fn fleet() -> Ended {
    let words = "--iterations 20 --warmup 2 -b triad -b all_reduce --problem-size array=64KiB --problem-size bytes=1KiB";
    let ended = ranks(2, &format!("{words} -o one.json")).env("OMP_NUM_THREADS", "1").passes();
    let mut report: Value = serde_json::from_str(&ended.read("one.json")).unwrap();
    for node in 1..=3 {
        report["run"]["id"] = format!("run-{node}").into();
        report["environment"]["nodes"][0]["host"] = format!("node{node}").into();
        let driver = if node == 3 { "550" } else { "570" };
        report["environment"]["libraries"]["driver"] = driver.into();
        if node == 3 {
            report["environment"]["variables"]["NCCL_ALGO"] = "Ring".into();
        }
        std::fs::write(ended.path(&format!("n{node}.json")), report.to_string()).unwrap();
    }
    ended
}

fn analyze(words: &str) -> Run {
    tesserabench(&format!("analyze n1.json n2.json n3.json {words}"))
}

#[test]
fn the_odd_node_of_a_fleet_is_named_in_every_form() {
    let words = "-o page.html -o a.json -o a.md -o a.comment.md --marker nightly/gpu --github";
    let ended = analyze(words).env("GITHUB_STEP_SUMMARY", "step.md").after(fleet()).passes();
    let analysis: Value = serde_json::from_str(&ended.read("a.json")).unwrap();
    let disparities = analysis["fleet"]["disparities"].as_array().unwrap();
    let driver = disparities.iter().find(|it| it["what"] == "driver").unwrap();
    assert_eq!(driver["values"][0]["members"], serde_json::json!(["node1", "node2"]));
    assert_eq!(
        (&driver["values"][1]["value"], &driver["values"][1]["minority"]),
        (&"550".into(), &true.into())
    );
    assert_eq!(disparities.len(), 2, "{disparities:#?}");
    let told = "driver: 550 on node3; 570 on 2 nodes";
    for text in [
        ended.out.clone(),
        ended.read("page.html"),
        ended.read("a.comment.md"),
        ended.read("step.md"),
    ] {
        assert!(text.contains(told) || text.contains("minority"), "{text}");
    }
    assert!(
        ended.out.contains("::warning title=Analysis fleet::driver: 550 on node3"),
        "{}",
        ended.out
    );
    let comment = ended.read("a.comment.md");
    assert!(comment.starts_with("<!-- tesserabench: nightly/gpu -->\n> [!"), "{comment}");
    assert!(comment.contains("<details><summary>fleet ("), "{comment}");
    assert!(
        ended
            .read("a.md")
            .contains("| node | variable NCCL\\_ALGO | Ring | 1 of 3 | minority | node3 |")
    );
    let wrong = analyze("-o a.comment.md --marker a--b").after(ended).fails(2);
    assert!(wrong.err.contains("is no name"), "{}", wrong.err);
}

#[test]
fn a_run_of_one_launch_or_several_is_told_github_once() {
    for launches in ["1", "2"] {
        let words = "-b triad --problem-size array=64KiB --quick -o a.json -o a.comment.md --marker nightly --github";
        let run = ranks(2, &format!("{words} --launches {launches}"));
        let ended =
            run.env("GITHUB_STEP_SUMMARY", "step.md").env("GITHUB_ACTIONS", "true").passes();
        let comment = ended.read("a.comment.md");
        assert!(comment.starts_with("<!-- tesserabench: nightly -->\n> [!"), "{comment}");
        let summary = ended.read("step.md");
        assert_eq!(
            summary.matches("> **tesserabench: ok: 1 of 1 case measured").count(),
            1,
            "{summary}"
        );
    }
    let wrong = ranks(1, "-b triad --quick --marker a--b").fails(2);
    assert!(wrong.error().contains("is no name"), "{}", wrong.err);
}

#[test]
fn each_node_has_a_certificate_and_its_worst_is_the_exit() {
    let limits = "limits: [{case: 'triad*', metric: latency, at_most: 100000}]\n";
    let words = "-c limits.yaml --certificates certs";
    let ended = analyze(words).after(fleet()).file("limits.yaml", limits).passes();
    for node in ["node1", "node2", "node3"] {
        let page = ended.read(&format!("certs/{node}.md"));
        assert!(page.starts_with(&format!("# Certificate: PASS {node}: ")), "{page}");
        assert!(ended.read(&format!("certs/{node}.html")).contains("PASS"));
    }
    let limits = limits.replace("100000", "0.000001");
    let ended = analyze(words).after(ended).file("limits.yaml", &limits).fails(3);
    assert!(ended.read("certs/node2.md").starts_with("# Certificate: FAIL node2"));
    // What cannot be checked is certified to nobody.
    let limits = "limits: [{case: 'gemm*', metric: tflops, at_least: 1}]\n";
    let ended = analyze(words).after(ended).file("limits.yaml", limits).fails(4);
    assert!(ended.out.contains("certs/node1.html: NOT CERTIFIED node1"), "{}", ended.out);
    let none = analyze("--certificates certs").after(ended).fails(2);
    assert!(none.error().contains("there is no limit to certify"), "{}", none.err);
}

#[test]
fn sheets_overwrite_neither_what_is_read_nor_each_other() {
    let limits = "limits: [{case: 'triad*', metric: latency, at_most: 100000}]\n";
    let ended = fleet();
    // Nodes whose names come to the same file, and one that is called as a second sheet is.
    for (file, host) in [("n1", "node"), ("n2", "node"), ("n3", "node.2")] {
        let name = format!("{file}.json");
        let mut report: Value = serde_json::from_str(&ended.read(&name)).unwrap();
        report["environment"]["nodes"][0]["host"] = host.into();
        std::fs::write(ended.path(&name), report.to_string()).unwrap();
    }
    let words = "-c limits.yaml --certificates certs";
    let ended = analyze(words).after(ended).file("limits.yaml", limits).passes();
    for (sheet, host) in [("node", "node"), ("node.2", "node"), ("node.2.2", "node.2")] {
        let page = ended.read(&format!("certs/{sheet}.md"));
        assert!(page.starts_with(&format!("# Certificate: PASS {host}: ")), "{sheet}: {page}");
    }
    std::fs::create_dir(ended.path("in")).unwrap();
    std::fs::copy(ended.path("n1.json"), ended.path("in/node.html")).unwrap();
    let words = "analyze in/node.html -c limits.yaml --certificates in";
    let refused = tesserabench(words).after(ended).fails(2);
    assert!(refused.error().contains("node.html' is read and would be"), "{}", refused.err);
    assert!(refused.read("in/node.html").starts_with('{'));
}

/// The texts of a bundle by their names behind its folder.
fn unpacked(ended: &Ended, name: &str) -> Vec<(String, String)> {
    let file = std::fs::File::open(ended.path(name)).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let text = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let name = name.split_once('/').unwrap().1.to_owned();
        (name, String::from_utf8_lossy(&bytes).into_owned())
    };
    tar.entries().unwrap().map(text).collect()
}

#[test]
fn a_bundle_has_what_is_needed_to_look_into_a_failed_case() {
    let words =
        "--iterations 2000 --continue-on-error -b all_reduce --problem-size bytes=1KiB,2KiB";
    let fault = "wrong@1:verify@*bytes=2048*";
    let ended = ranks(2, words).fault(fault).env("NCCL_DEBUG", "WARN").fails(5);
    let ended = tesserabench("support-bundle results.json --log slurm.out -o b.tar.gz")
        .after(ended)
        .file("slurm.out", "srun: error\n")
        .passes();
    assert!(ended.out.contains("wrote b.tar.gz with"), "{}", ended.out);
    let files = unpacked(&ended, "b.tar.gz");
    let of = |name: &str| {
        let found = files.iter().find(|(known, _)| known.contains(name));
        found.unwrap_or_else(|| panic!("no {name} in {files:?}")).1.as_str()
    };
    let readme = of("README.md");
    assert!(
        readme.contains("bytes=2048,placement=out") && !readme.contains("bytes=1024,"),
        "{readme}"
    );
    let commands = of("commands.txt");
    for command in [
        "--case all_reduce/f32/bytes=2048,placement=out/world:0-1 --output again.json",
        "mpirun -np 2 -x NCCL_DEBUG=WARN all_reduce_perf -b 2048 -e 2048 -g 1 -d float",
        "osu_allreduce -m 2048:2048",
    ] {
        assert!(commands.contains(command), "{command}: {commands}");
    }
    let cases: Value = serde_json::from_str(of("cases.json")).unwrap();
    assert_eq!(cases.as_array().unwrap().len(), 1);
    assert!(of("environment.json").contains("NCCL_DEBUG"));
    assert!(of("slurm.out").contains("srun: error") && of("lscpu").contains("CPU"));
    // Its own samples only, of a case that has some.
    let words = "support-bundle results.json --case *bytes=1024* -o c.tar.gz";
    let ended = tesserabench(words).after(ended).passes();
    let files = unpacked(&ended, "c.tar.gz");
    let samples = &files.iter().find(|(name, _)| name == "samples.csv").unwrap().1;
    assert!(samples.lines().count() > 4000 && samples.starts_with("case,"), "{}", &samples[..200]);
    assert!(samples.lines().skip(1).all(|row| row.contains("bytes=1024")));
}

#[test]
fn a_bundle_is_of_cases_that_there_are() {
    let ended = ranks(1, "--quick -b copy --problem-size array=64KiB").passes();
    let nothing = tesserabench("support-bundle results.json").after(ended).fails(2);
    assert!(nothing.error().contains("name the one to look into with --case"), "{}", nothing.err);
    let unknown = tesserabench("support-bundle results.json --case gemm").after(nothing).fails(2);
    assert!(unknown.error().contains("has no case 'gemm'"), "{}", unknown.err);
}

#[test]
fn a_bundle_follows_no_link_that_nobody_has_named() {
    let ended = ranks(1, "--quick -b copy --problem-size array=64KiB").passes();
    let words = "support-bundle results.json --case * -o b.tar.gz";
    let samples = "results.samples.csv.gz";
    let link = |name: &str| {
        std::os::unix::fs::symlink(ended.path("secret"), ended.path(name)).unwrap();
    };
    std::fs::write(ended.path("secret"), "very secret").unwrap();
    link("results.json.journal.jsonl");
    let mut report: Value = serde_json::from_str(&ended.read("results.json")).unwrap();
    report["cases"][0]["samples"] = serde_json::json!({"sidecar": {"file": samples, "rows": 1}});
    std::fs::write(ended.path("results.json"), report.to_string()).unwrap();
    let _ = std::fs::remove_file(ended.path(samples));
    link(samples);
    let ended = tesserabench(words).after(ended).passes();
    for told in [
        "not in it: journal 'results.json.journal.jsonl': it is a link",
        "not in it: samples of 'results.samples.csv.gz': it is a link",
    ] {
        assert!(ended.out.contains(told), "{}", ended.out);
    }
    let files = unpacked(&ended, "b.tar.gz");
    assert!(
        files.iter().all(|(name, text)| !text.contains("very secret") && !name.contains("journal"))
    );
}
