//! The picture of the rooms in docs/architecture.md is drawn from the table of rooms that `tidy` checks.

use std::fmt::Write as _;

use crate::tidy::EDGES;

/// Where the picture stands.
const FILE: &str = "docs/architecture.svg";

/// From left to right, where each room stands; how high follows from what it uses.
const COLUMNS: [(&str, f64); 16] = [
    ("base", 2.0),
    ("stats", 0.4),
    ("machine", 3.0),
    ("benchmark", 3.0),
    ("plan", 3.0),
    ("world", 1.0),
    ("watchdog", 0.2),
    ("backend", 1.2),
    ("report", 2.3),
    ("measure", 2.0),
    ("analysis", 2.0),
    ("history", 2.0),
    ("render", 2.0),
    ("run", 2.0),
    ("import", 3.3),
    ("cli", 2.0),
];

/// Width and height of a box, and from one place to the next, in pixels.
const BOX: (f64, f64) = (140.0, 36.0);
const STEP: (f64, f64) = (180.0, 66.0);

fn uses(room: &str) -> impl Iterator<Item = &'static str> {
    let edge = EDGES.iter().find(|(known, _)| *known == room);
    edge.expect("a room of the table").1.split_whitespace()
}

/// Whether a room leads to another over one arrow or more.
fn reaches(room: &str, other: &str) -> bool {
    uses(room).any(|used| used == other || reaches(used, other))
}

/// The rooms that a room uses and that none of its other rooms leads to.
fn arrows(room: &str) -> impl Iterator<Item = &'static str> {
    uses(room).filter(move |used| !uses(room).any(|other| reaches(other, used)))
}

/// How many rooms stand below one in the longest chain.
fn height(room: &str) -> u32 {
    uses(room).map(|used| height(used) + 1).max().unwrap_or(0)
}

fn picture() -> String {
    let top = EDGES.iter().map(|(room, _)| height(room)).max().unwrap_or(0);
    let column = |room: &str| {
        let found = COLUMNS.iter().find(|(known, _)| *known == room);
        found.unwrap_or_else(|| panic!("{room} has no place in the picture")).1
    };
    let middle = |room: &str| 90.0 + column(room) * STEP.0;
    let upper = |room: &str| 10.0 + f64::from(top - height(room)) * STEP.1;
    let (width, high) = (180.0 + 3.3 * STEP.0, 20.0 + f64::from(top) * STEP.1 + BOX.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {high:.0}\" role=\"img\" \
         aria-label=\"The rooms of tesserabench; an arrow leads to what a room uses\" \
         font-family=\"sans-serif\" font-size=\"15\" text-anchor=\"middle\">\n\
         <defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" fill=\"#667\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (room, _) in EDGES {
        for used in arrows(room) {
            let (from, to) = (upper(room) + BOX.1, upper(used));
            // Begins on the side of its end, so that it leads past the rooms between.
            let aside = (middle(used) - middle(room)).clamp(-50.0, 50.0);
            writeln!(
                svg,
                "<path d=\"M{:.0} {from:.0} {:.0} {to:.0}\" stroke=\"#667\" marker-end=\"url(#end)\">\
                 <title>{room} uses {used}</title></path>",
                middle(room) + aside,
                middle(used),
            )
            .unwrap();
        }
    }
    for (room, _) in EDGES {
        let (x, y) = (middle(room), upper(room));
        writeln!(
            svg,
            "<rect x=\"{:.0}\" y=\"{y:.0}\" width=\"{}\" height=\"{}\" rx=\"5\" fill=\"#eef3fa\" stroke=\"#46648c\"/>\
             <text x=\"{x:.0}\" y=\"{:.0}\" fill=\"#123\">{room}</text>",
            x - BOX.0 / 2.0,
            BOX.0,
            BOX.1,
            y + 23.0,
        )
        .unwrap();
    }
    svg + "</svg>\n"
}

/// `UPDATE_SNAPSHOTS=1` draws it anew.
#[test]
fn the_picture_is_of_the_table() {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(FILE, picture()).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap();
    assert!(kept == picture(), "{FILE} is of other rooms: UPDATE_SNAPSHOTS=1 draws it anew");
}

#[test]
fn only_arrows_that_no_others_imply_are_drawn() {
    assert_eq!(arrows("benchmark").collect::<Vec<_>>(), ["machine"]);
    assert!(reaches("cli", "base") && !reaches("base", "cli"));
    assert_eq!((height("base"), height("machine"), height("benchmark")), (0, 1, 2));
}
