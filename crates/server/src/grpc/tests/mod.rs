//! What the gRPC doors answer.
