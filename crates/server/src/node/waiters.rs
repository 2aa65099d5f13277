//! Who waits for which ticket. Answering costs an array access; tickets of answered requests are
//! used again, told apart by a generation.

use replica::{Answer, Done, Failure, Ticket};
use tokio::runtime::Handle;

use super::inbox::{AnswerSender, Outcomes};
use super::rounds::OpenRound;

/// If no more than so many requests are answered, they are told at once. More are told by a task of
/// the runtime, to which waking others costs next to nothing; from another thread each would have
/// to be woken by the system.
const TOLD_AT_ONCE: usize = 1;

/// Who waits.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// One request.
    One(AnswerSender),
    /// All readers of a round.
    Round(OpenRound),
}

impl Waiting {
    /// How many requests these are.
    pub(crate) fn requests(&self) -> usize {
        match self {
            Waiting::One(_) => 1,
            Waiting::Round(round) => round.readers(),
        }
    }

    fn tell(self, result: Result<Done, Failure>) {
        match self {
            // Whoever asked may have gone; then nobody wants the answer.
            Waiting::One(answer) => drop(answer.send(result)),
            Waiting::Round(round) => round.tell(result),
        }
    }
}

/// A slot's generations; then they begin anew. The replica's tickets have 63 bits.
const GENERATIONS: u32 = 1 << 31;

/// The requests that the replica has taken and not answered.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    waiting: Option<Waiting>,
}

impl Waiters {
    /// A ticket for what `waiting` waits for.
    pub(crate) fn admit(&mut self, waiting: Waiting) -> Ticket {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        assert!(slot.waiting.is_none(), "a free slot has nobody waiting");
        slot.waiting = Some(waiting);
        Ticket(u64::from(slot.generation) << 32 | u64::from(index))
    }

    /// Tells all who wait what became of what they asked for; answers how many requests that were.
    pub(crate) fn answer(&mut self, answers: Vec<Answer>, runtime: &Handle) -> Outcomes {
        let mut told = Vec::with_capacity(answers.len());
        told.extend(answers.into_iter().map(|answer| (self.take(answer.ticket), answer.result)));
        let mut answered = Outcomes::default();
        for (waiting, result) in &told {
            let requests = waiting.requests();
            answered.requests += requests;
            answered.done += if result.is_ok() { requests } else { 0 };
        }
        let tell = |told: Vec<(Waiting, _)>| {
            told.into_iter().for_each(|(waiting, result)| waiting.tell(result));
        };
        if answered.requests <= TOLD_AT_ONCE {
            tell(told);
        } else {
            runtime.spawn(async move { tell(told) });
        }
        answered
    }

    /// Whoever waits for `ticket`. Each is taken exactly once.
    fn take(&mut self, ticket: Ticket) -> Waiting {
        let index = ticket.0 as u32;
        let slot = &mut self.slots[index as usize];
        assert!(slot.generation == (ticket.0 >> 32) as u32, "a request was answered twice");
        let waiting =
            slot.waiting.take().expect("a ticket of this generation has somebody waiting");
        slot.generation = (slot.generation + 1) % GENERATIONS;
        self.free.push(index);
        waiting
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    fn ready(ticket: Ticket, settled_ms: u64) -> Answer {
        Answer { ticket, result: Ok(Done::ReadReady { settled_ms }) }
    }

    #[tokio::test]
    async fn each_answer_goes_to_whoever_asked() {
        let mut waiters = Waiters::default();
        let (first, first_answer) = oneshot::channel();
        let first = waiters.admit(Waiting::One(first));
        let mut round = OpenRound::begin(Duration::from_secs(1));
        let readers = [round.round(), round.join(round.timeout()).unwrap()];
        let second = waiters.admit(Waiting::Round(round));
        let refused = Answer { ticket: first, result: Err(Failure::Unknown) };
        let answered = waiters.answer(vec![ready(second, 7), refused], &Handle::current());
        let expected = Outcomes { requests: 3, done: 2 };
        assert_eq!(answered, expected, "each reader is a request, and a refusal is not done");
        assert_eq!(first_answer.await, Ok(Err(Failure::Unknown)));
        for reader in readers {
            assert_eq!(reader.result().await, Ok(7));
        }
    }

    #[tokio::test]
    async fn a_slot_is_used_again_under_another_ticket() {
        let mut waiters = Waiters::default();
        let (first, _first_answer) = oneshot::channel();
        let first = waiters.admit(Waiting::One(first));
        waiters.answer(vec![ready(first, 0)], &Handle::current());
        let (second, _second_answer) = oneshot::channel();
        assert_ne!(waiters.admit(Waiting::One(second)), first);
        assert_eq!(waiters.slots.len(), 1);
    }

    #[tokio::test]
    #[should_panic(expected = "answered twice")]
    async fn a_second_answer_is_a_bug() {
        let mut waiters = Waiters::default();
        let (sender, _receiver) = oneshot::channel();
        let ticket = waiters.admit(Waiting::One(sender));
        waiters.answer(vec![ready(ticket, 0), ready(ticket, 0)], &Handle::current());
    }
}
