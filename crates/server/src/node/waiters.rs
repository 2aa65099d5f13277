//! Who waits for which ticket. Answering costs an array access; tickets of answered requests are
//! used again, told apart by a generation.

use replica::{Done, Failure, Ticket};

use super::inbox::AnswerSender;

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
    waiting: Option<AnswerSender>,
}

impl Waiters {
    /// A ticket for the request whose answer goes to `answer`.
    pub(crate) fn admit(&mut self, answer: AnswerSender) -> Ticket {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        assert!(slot.waiting.is_none(), "a free slot has nobody waiting");
        slot.waiting = Some(answer);
        Ticket(u64::from(slot.generation) << 32 | u64::from(index))
    }

    /// Answers a request. Each is answered exactly once.
    pub(crate) fn answer(&mut self, ticket: Ticket, result: Result<Done, Failure>) {
        let index = ticket.0 as u32;
        let slot = &mut self.slots[index as usize];
        assert!(slot.generation == (ticket.0 >> 32) as u32, "a request was answered twice");
        let answer = slot.waiting.take().expect("a ticket of this generation has somebody waiting");
        slot.generation = (slot.generation + 1) % GENERATIONS;
        self.free.push(index);
        // Whoever asked may have gone; then nobody wants the answer.
        let _ = answer.send(result);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn each_answer_goes_to_whoever_asked() {
        let mut waiters = Waiters::default();
        let (first, mut first_answer) = oneshot::channel();
        let (second, mut second_answer) = oneshot::channel();
        let (first, second) = (waiters.admit(first), waiters.admit(second));
        waiters.answer(second, Ok(Done::ReadReady { settled_ms: 0 }));
        waiters.answer(first, Err(Failure::Unknown));
        assert_eq!(first_answer.try_recv(), Ok(Err(Failure::Unknown)));
        assert_eq!(second_answer.try_recv(), Ok(Ok(Done::ReadReady { settled_ms: 0 })));
    }

    #[test]
    fn a_slot_is_used_again_under_another_ticket() {
        let mut waiters = Waiters::default();
        let (first, _first_answer) = oneshot::channel();
        let first = waiters.admit(first);
        waiters.answer(first, Ok(Done::ReadReady { settled_ms: 0 }));
        let (second, _second_answer) = oneshot::channel();
        assert_ne!(waiters.admit(second), first);
        assert_eq!(waiters.slots.len(), 1);
    }

    #[test]
    #[should_panic(expected = "answered twice")]
    fn a_second_answer_is_a_bug() {
        let mut waiters = Waiters::default();
        let (sender, _receiver) = oneshot::channel();
        let ticket = waiters.admit(sender);
        waiters.answer(ticket, Ok(Done::ReadReady { settled_ms: 0 }));
        waiters.answer(ticket, Ok(Done::ReadReady { settled_ms: 0 }));
    }
}
