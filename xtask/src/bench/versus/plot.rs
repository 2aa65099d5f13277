//! Throughput against latency while clients grow, as SVG.

use std::fmt::Write as _;

use super::generate::Figures;
use super::pair::Pair;
use super::sheet::grouped;

/// What came of so many clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) clients: u64,
    pub(super) figures: Pair<Figures>,
}

/// The picture, and what is drawn in, in pixels.
const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 790.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 440.0;

/// Told apart also by those who see no colours: one is much darker.
const COLOURS: Pair<&str> = Pair { etcd: "#e08a00", raftkv: "#1f4e9c" };

/// Lines across the picture, about so many.
const STEPS: f64 = 6.0;

/// Where figures lie: operations a second from left to right, evenly; latencies in µs from the
/// bottom up, each decade as high as the next.
struct Scales {
    per_second_max: f64,
    us_min: f64,
    us_max: f64,
}

impl Scales {
    fn of(points: &[Point]) -> Scales {
        let all = points.iter().flat_map(|point| [point.figures.etcd, point.figures.raftkv]);
        let largest = |f: fn(&Figures) -> f64| all.clone().map(|one| f(&one)).fold(1.0, f64::max);
        let p50 = |figures: Figures| figures.p50.unwrap_or(1.0);
        let smallest = all.clone().map(p50).fold(f64::INFINITY, f64::min).max(1.0);
        let p99 = largest(|figures| figures.p99.unwrap_or(1.0)).max(smallest);
        Scales {
            per_second_max: largest(|figures| figures.per_second) * 1.06,
            us_min: 10_f64.powf(smallest.log10().floor()),
            us_max: 10_f64.powf(p99.log10().ceil()).max(smallest * 10.0),
        }
    }

    fn x(&self, per_second: f64) -> f64 {
        LEFT + per_second / self.per_second_max * (RIGHT - LEFT)
    }

    fn y(&self, us: f64) -> f64 {
        let share = (us / self.us_min).log10() / (self.us_max / self.us_min).log10();
        BOTTOM - share * (BOTTOM - TOP)
    }
}

/// The picture; `below` is a line of text under it.
pub(super) fn svg(points: &[Point], below: &str) -> String {
    let scales = Scales::of(points);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <title>Puts a second against their latency, as clients grow: etcd and raftkv</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    grid(&mut text, &scales);
    series(&mut text, &scales, points, COLOURS.etcd, |figures| figures.etcd);
    series(&mut text, &scales, points, COLOURS.raftkv, |figures| figures.raftkv);
    legend(&mut text);
    write(&mut text, LEFT, HEIGHT - 14.0, "start", below);
    text.push_str("</svg>\n");
    text
}

fn grid(text: &mut String, scales: &Scales) {
    let mut us = scales.us_min;
    while us <= scales.us_max * 1.001 {
        let y = scales.y(us);
        line(text, (LEFT, y), (RIGHT, y));
        let label = match us {
            ..1_000.0 => format!("{us} µs"),
            1_000.0..1_000_000.0 => format!("{} ms", us / 1_000.0),
            _ => format!("{} s", us / 1_000_000.0),
        };
        write(text, LEFT - 8.0, y + 4.0, "end", &label);
        us *= 10.0;
    }
    let step = round_step(scales.per_second_max / STEPS);
    let mut per_second = 0.0;
    while per_second <= scales.per_second_max {
        let x = scales.x(per_second);
        line(text, (x, TOP), (x, BOTTOM));
        write(text, x, BOTTOM + 18.0, "middle", &grouped(per_second));
        per_second += step;
    }
    write(text, RIGHT, BOTTOM + 36.0, "end", "puts a second");
}

/// The next larger of 1, 2, 5, 10, 20 and so on.
fn round_step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * decade);
    steps.into_iter().find(|step| *step >= least * 0.999).unwrap_or(decade * 10.0)
}

fn series(
    text: &mut String,
    scales: &Scales,
    points: &[Point],
    colour: &str,
    of: fn(Pair<Figures>) -> Figures,
) {
    let place = |point: &Point, us: fn(&Figures) -> Option<f64>| {
        let figures = of(point.figures);
        Some((scales.x(figures.per_second), scales.y(us(&figures)?)))
    };
    for (dashes, us) in [("", (|f| f.p50) as fn(&Figures) -> Option<f64>), ("5 4", |f| f.p99)] {
        let places = points.iter().filter_map(|point| place(point, us));
        let places: Vec<String> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-dasharray=\"{dashes}\"/>",
            places.join(" "),
        );
    }
    for point in points {
        let Some((x, y)) = place(point, |figures| figures.p50) else { continue };
        let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>");
        write(text, x + 7.0, y + 13.0, "start", &grouped(point.clients as f64));
    }
}

fn legend(text: &mut String) {
    let entries = [
        (COLOURS.etcd, "", "etcd, p50"),
        (COLOURS.etcd, "5 4", "etcd, p99"),
        (COLOURS.raftkv, "", "raftkv, p50"),
        (COLOURS.raftkv, "5 4", "raftkv, p99"),
    ];
    write(text, LEFT, 22.0, "start", "Latency of a put; at each point, how many clients there are");
    let mut x = LEFT;
    for (colour, dashes, label) in entries {
        let _ = writeln!(
            text,
            "<line x1=\"{x}\" y1=\"40\" x2=\"{}\" y2=\"40\" stroke=\"{colour}\" \
             stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/>",
            x + 28.0,
        );
        write(text, x + 34.0, 44.0, "start", label);
        x += 130.0;
    }
}

fn line(text: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        text,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>"
    );
}

fn write(text: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ =
        writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(per_second: f64, p50: f64) -> Figures {
        Figures { p50: Some(p50), p99: Some(p50 * 3.0), ..Figures::of(per_second) }
    }

    fn points() -> Vec<Point> {
        let point = |clients, etcd, raftkv| Point { clients, figures: Pair { etcd, raftkv } };
        Vec::from([
            point(1, figures(1_200.0, 800.0), figures(3_000.0, 300.0)),
            point(1_000, figures(17_000.0, 57_000.0), figures(40_000.0, 25_000.0)),
        ])
    }

    #[test]
    fn every_point_is_within_the_picture() {
        let (points, scales) = (points(), Scales::of(&points()));
        for Point { figures: Pair { etcd, raftkv }, .. } in points {
            for figures in [etcd, raftkv] {
                assert!((LEFT..=RIGHT).contains(&scales.x(figures.per_second)), "{figures:?}");
                for us in [figures.p50.unwrap(), figures.p99.unwrap()] {
                    assert!((TOP..=BOTTOM).contains(&scales.y(us)), "{us}");
                }
            }
        }
    }

    #[test]
    fn a_picture_has_a_line_for_each_figure_and_a_mark_for_each_number_of_clients() {
        let picture = svg(&points(), "a < b");
        assert_eq!(picture.matches("<polyline").count(), 4);
        assert_eq!(picture.matches("<circle").count(), 4);
        assert_eq!(picture.matches(">1,000</text>").count(), 2);
        assert!(picture.contains("a &lt; b</text>") && picture.ends_with("</svg>\n"), "{picture}");
    }

    #[test]
    fn steps_are_round() {
        let steps = [0.9, 1.0, 1.1, 3.0, 7.0, 7_800.0].map(round_step);
        assert_eq!(steps, [1.0, 1.0, 2.0, 5.0, 10.0, 10_000.0]);
    }
}
