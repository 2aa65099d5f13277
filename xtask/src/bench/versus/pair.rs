//! One of each: what is known of etcd, and the same of raftkv.

use super::super::cluster::Cluster;
use super::super::program::Program;
use crate::failure::Result;

/// One of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair<T> {
    pub(super) etcd: T,
    pub(super) raftkv: T,
}

impl<T> Pair<T> {
    pub(super) fn map<U>(self, mut f: impl FnMut(T) -> U) -> Pair<U> {
        Pair { etcd: f(self.etcd), raftkv: f(self.raftkv) }
    }

    pub(super) fn as_ref(&self) -> Pair<&T> {
        Pair { etcd: &self.etcd, raftkv: &self.raftkv }
    }

    /// The same of each, etcd first, until one fails.
    pub(super) fn each<U>(&mut self, mut f: impl FnMut(&mut T) -> Result<U>) -> Result<Pair<U>> {
        Ok(Pair { etcd: f(&mut self.etcd)?, raftkv: f(&mut self.raftkv)? })
    }
}

impl Pair<f64> {
    /// Ours, in theirs.
    pub(super) fn ratio(&self) -> f64 {
        self.raftkv / self.etcd
    }
}

/// Two clusters, of which one at a time has work.
pub(super) type Clusters = Pair<Cluster>;

impl Clusters {
    pub(super) fn start(programs: &Pair<Program>) -> Result<Clusters> {
        programs.clone().each(|program| Cluster::start(program.clone()))
    }

    /// The same on each in turns, A B A B: what the machine does meanwhile befalls both.
    pub(super) fn in_turns<U>(
        &mut self,
        rounds: usize,
        mut f: impl FnMut(&mut Cluster) -> Result<U>,
    ) -> Result<Vec<Pair<U>>> {
        (0..rounds).map(|_| self.each(&mut f)).collect()
    }

    pub(super) fn finish(self) -> Result<()> {
        self.etcd.finish()?;
        self.raftkv.finish()
    }
}

/// The middle one of some figures, or between the two in the middle.
pub(super) fn median(mut figures: Vec<f64>) -> f64 {
    assert!(!figures.is_empty(), "no figure comes out of no measurement");
    figures.sort_by(f64::total_cmp);
    let (low, high) = ((figures.len() - 1) / 2, figures.len() / 2);
    (figures[low] + figures[high]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert!((median(Vec::from([3.0, 1.0])) - 2.0).abs() < 1e-9);
        assert!((median(Vec::from([9.0, 1.0, 4.0])) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_is_ours_in_theirs() {
        assert!((Pair { etcd: 2.0, raftkv: 6.0 }.ratio() - 3.0).abs() < 1e-9);
    }
}
