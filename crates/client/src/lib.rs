//! The async client: endpoint discovery, leader following, retries, deadlines.
