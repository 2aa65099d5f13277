//! What a figure is to reach.

use std::fmt;

use super::pair::Pair;

/// Bounds; a goal without any is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Goal {
    /// So many times etcd's, at least.
    times_min: Option<f64>,
    /// So many times etcd's, at most.
    times_max: Option<f64>,
    /// So much, at most, and how that is written.
    most: Option<(f64, &'static str)>,
}

impl Goal {
    pub(super) const NONE: Goal = Goal { times_min: None, times_max: None, most: None };

    pub(super) const fn times(least: f64) -> Goal {
        Goal { times_min: Some(least), ..Goal::NONE }
    }

    pub(super) const fn share(most: f64) -> Goal {
        Goal { times_max: Some(most), ..Goal::NONE }
    }

    pub(super) const fn most(figure: f64, written: &'static str) -> Goal {
        Goal { most: Some((figure, written)), ..Goal::NONE }
    }

    /// This one, and no worse than etcd.
    pub(super) const fn no_worse(self) -> Goal {
        Goal { times_max: Some(1.0), ..self }
    }

    /// Whether it is met; nothing if it is none.
    pub(super) fn met(&self, figures: Pair<f64>) -> Option<bool> {
        let ratio = figures.ratio();
        let bounds = [
            self.times_min.map(|least| ratio >= least),
            self.times_max.map(|most| ratio <= most),
            self.most.map(|(most, _)| figures.raftkv <= most),
        ];
        bounds.into_iter().flatten().reduce(|all, one| all && one)
    }

    /// The goal and whether it is met, as a cell of a table.
    pub(super) fn verdict(&self, figures: Pair<f64>) -> String {
        match self.met(figures) {
            None => "–".to_owned(),
            Some(true) => format!("{self}: met"),
            Some(false) => format!("{self}: **missed**"),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bounds = [
            self.times_min.map(|least| format!("≥ {least}×")),
            self.most.map(|(_, written)| format!("≤ {written}")),
            self.times_max.map(|most| format!("≤ {most}×")),
        ];
        f.write_str(&bounds.into_iter().flatten().collect::<Vec<String>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWICE: Pair<f64> = Pair { etcd: 10.0, raftkv: 20.0 };

    #[test]
    fn a_goal_is_met_if_all_its_bounds_are() {
        assert_eq!(Goal::NONE.met(TWICE), None);
        assert_eq!(Goal::times(2.0).met(TWICE), Some(true));
        assert_eq!(Goal::share(0.5).met(TWICE), Some(false));
        assert_eq!(Goal::most(20.0, "20").met(TWICE), Some(true));
        assert_eq!(Goal::most(20.0, "20").no_worse().met(TWICE), Some(false));
    }

    #[test]
    fn a_verdict_names_the_goal() {
        assert_eq!(Goal::NONE.verdict(TWICE), "–");
        assert_eq!(Goal::times(2.5).verdict(TWICE), "≥ 2.5×: **missed**");
        assert_eq!(
            Goal::most(30.0, "30 ms").no_worse().verdict(TWICE),
            "≤ 30 ms, ≤ 1×: **missed**"
        );
    }
}
