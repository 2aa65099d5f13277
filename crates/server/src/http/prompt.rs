//! Where the calls of one connection of HTTP/2 run: each is a task of its own, but for those that
//! are answered at once.
//!
//! A task costs more than a refusal does, and a member with too much to do refuses most of what it
//! reads. So whoever knows that a call's answer is ready says so. Such calls are run to their ends
//! where they were read, once everything is read that has come: all their answers leave with one
//! write.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use hyper::rt::Executor;
use parking_lot::Mutex;

/// So many calls are kept until everything is read; others have a task, ready or not.
const READY_MAX: usize = 1_024;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The executor of one connection.
#[derive(Clone, Default)]
pub(super) struct Prompt {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The next future is ready when it comes. Set and taken by one task, which reads the
    /// connection.
    next_is_ready: AtomicBool,
    /// What has come and is ready.
    ready: Mutex<Vec<Call>>,
}

impl Prompt {
    /// The call that is being taken has its answer, most likely.
    pub(super) fn next_is_ready(&self) {
        self.shared.next_is_ready.store(true, Ordering::Relaxed);
    }

    /// A connection whose calls run here: what is ready runs after each look at it. Answers wake
    /// the connection, which then sends them.
    pub(super) async fn beside<C: Future>(&self, connection: C) -> C::Output {
        let mut connection = std::pin::pin!(connection);
        std::future::poll_fn(|context| {
            let looked = connection.as_mut().poll(context);
            self.run();
            looked
        })
        .await
    }

    fn run(&self) {
        let ready = std::mem::take(&mut *self.shared.ready.lock());
        for mut call in ready {
            // Nobody is to be woken for this look: what is not ready after all looks again as a
            // task.
            let look = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if look == Poll::Pending {
                tokio::spawn(call);
            }
        }
    }
}

impl<F> Executor<F> for Prompt
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        if !self.shared.next_is_ready.swap(false, Ordering::Relaxed) {
            tokio::spawn(future);
            return;
        }
        let mut ready = self.shared.ready.lock();
        if ready.len() < READY_MAX {
            ready.push(Box::pin(future));
        } else {
            tokio::spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};

    use tokio::sync::oneshot;

    use super::*;

    /// A future that is ready at the so manieth look, and tells where it was.
    fn at_look(look: usize) -> (impl Future<Output = ()> + Send, oneshot::Receiver<usize>) {
        let (sender, receiver) = oneshot::channel();
        let (mut sender, mut looks) = (Some(sender), 0);
        let future = poll_fn(move |context| {
            looks += 1;
            if looks < look {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            sender.take().expect("it is over").send(looks).expect("the test waits");
            Poll::Ready(())
        });
        (future, receiver)
    }

    #[tokio::test]
    async fn what_is_ready_needs_no_task_and_the_next_has_one() {
        let prompt = Prompt::default();
        prompt.clone().next_is_ready();
        let (future, mut looks) = at_look(1);
        prompt.execute(future);
        let (other, mut looks_of_other) = at_look(1);
        prompt.execute(other);
        assert!(looks.try_recv().is_err(), "not before everything is read");
        prompt.beside(ready(())).await;
        assert_eq!(looks.try_recv(), Ok(1), "before this task gave way to any other");
        assert!(looks_of_other.try_recv().is_err());
        assert_eq!(looks_of_other.await, Ok(1));
    }

    #[tokio::test]
    async fn what_is_not_ready_after_all_goes_on_as_a_task() {
        let prompt = Prompt::default();
        prompt.next_is_ready();
        let (future, mut looks) = at_look(3);
        prompt.execute(future);
        prompt.beside(ready(())).await;
        assert!(looks.try_recv().is_err());
        assert_eq!(looks.await, Ok(3));
    }

    #[tokio::test]
    async fn a_connection_that_goes_on_is_no_reason_to_wait() {
        let prompt = Prompt::default();
        prompt.next_is_ready();
        let (future, looks) = at_look(1);
        prompt.execute(future);
        let beside = prompt.beside(pending::<()>());
        tokio::select! {
            () = beside => panic!("it never ends"),
            looks = looks => assert_eq!(looks, Ok(1)),
        }
    }
}
