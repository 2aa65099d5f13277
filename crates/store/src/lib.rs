//! The state machine: a multi-version ordered map with revisions.
