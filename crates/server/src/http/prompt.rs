//! Where the calls of one connection of HTTP/2 run: each is a task of its own, but for those that
//! are answered at once.
//!
//! A task costs more than a refusal does, and a member with too much to do refuses most of what it
//! reads. So whoever knows that a call's answer is ready says so, and the call is run to its end
//! where it was read.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use hyper::rt::Executor;

/// The executor of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Prompt {
    /// The next future is ready when it comes. Set and taken by one task, which reads the
    /// connection.
    ready: Arc<AtomicBool>,
}

impl Prompt {
    /// The call that is being taken has its answer, most likely.
    pub(super) fn next_is_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }
}

impl<F> Executor<F> for Prompt
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        if !self.ready.load(Ordering::Relaxed) {
            tokio::spawn(future);
            return;
        }
        self.ready.store(false, Ordering::Relaxed);
        let mut future = Box::pin(future);
        // Nobody is to be woken for this look: what is not ready after all looks again as a task.
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{poll_fn, ready};
    use std::task::Poll;

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
        assert_eq!(looks.try_recv(), Ok(1), "before this task gave way to any other");
        let (future, mut looks) = at_look(1);
        prompt.execute(future);
        assert!(looks.try_recv().is_err());
        assert_eq!(looks.await, Ok(1));
        prompt.execute(ready(()));
    }

    #[tokio::test]
    async fn what_is_not_ready_after_all_goes_on_as_a_task() {
        let prompt = Prompt::default();
        prompt.next_is_ready();
        let (future, mut looks) = at_look(3);
        prompt.execute(future);
        assert!(looks.try_recv().is_err());
        assert_eq!(looks.await, Ok(3));
    }
}
