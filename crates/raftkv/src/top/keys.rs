//! What each key does.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// So many events a page key passes over.
const PAGE: usize = 10;

/// What a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    Pause,
    Filter,
    Help,
    /// Towards older events, by so many.
    Older(usize),
    Newer(usize),
    /// A key without a meaning.
    Nothing,
}

/// `None` where no key went down.
pub(super) fn action(key: &KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if with_control => Action::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Char('p' | ' ') => Action::Pause,
        KeyCode::Char('f') => Action::Filter,
        KeyCode::Char('?' | 'h') => Action::Help,
        KeyCode::Down | KeyCode::Char('j') => Action::Older(1),
        KeyCode::Up | KeyCode::Char('k') => Action::Newer(1),
        KeyCode::PageDown => Action::Older(PAGE),
        KeyCode::PageUp => Action::Newer(PAGE),
        KeyCode::End => Action::Older(usize::MAX),
        KeyCode::Home => Action::Newer(usize::MAX),
        _ => Action::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_keys_quit() {
        let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
        let pressed = |code, modifiers| action(&KeyEvent::new(code, modifiers));
        assert_eq!(pressed(KeyCode::Char('q'), none), Some(Action::Quit));
        assert_eq!(pressed(KeyCode::Esc, none), Some(Action::Quit));
        assert_eq!(pressed(KeyCode::Char('c'), control), Some(Action::Quit));
        assert_eq!(pressed(KeyCode::Char('c'), none), Some(Action::Nothing));
    }

    #[test]
    fn a_key_that_goes_up_does_nothing_again() {
        let mut key = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE);
        assert_eq!(action(&key), Some(Action::Pause));
        key.kind = KeyEventKind::Release;
        assert_eq!(action(&key), None);
    }
}
