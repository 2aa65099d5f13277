//! Panics in whatever thread: a runtime keeps those of its tasks to itself.

use std::panic;
use std::sync::{Mutex, Once, PoisonError};

static HOOK: Once = Once::new();
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// From now on panics are remembered, besides what else is done about them.
pub(crate) fn watch() {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| info.to_string());
            drop(first);
            before(info);
        }));
    });
}

/// The first one since this was asked last.
pub(crate) fn first() -> Option<String> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).take()
}
