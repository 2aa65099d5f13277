//! Whether who may do what has changed since somebody looked.

use std::sync::Arc;

use store::Auth;

use crate::node::Node;

/// The tables as somebody saw them. Whoever goes on for long, as watches do, asks again whether
/// they still may when these are others; and takes hold of them before it asks for the first time,
/// so that no change falls in between.
pub(crate) struct Seen(Arc<Auth>);

impl Seen {
    /// As they are now.
    pub(crate) fn now(node: &Node) -> Seen {
        Seen(node.store().auth())
    }

    /// Whether they are others now; these are seen from then on.
    pub(crate) fn changed(&mut self, node: &Node) -> bool {
        let now = node.store().auth();
        let changed = !Arc::ptr_eq(&now, &self.0);
        self.0 = now;
        changed
    }
}
