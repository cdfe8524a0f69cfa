//! The gRPC messages, clients and servers of `proto/symbolon/v1`, generated and committed.
//!
//! Nothing is written here by hand. After a change of a `.proto` file run
//!
//! ```text
//! SYMBOLON_REGENERATE=1 cargo test -p symbolon-wire
//! ```
//!
//! which rewrites `src/gen`; without the variable the same test fails when the two have drifted apart. The compiler
//! is protox, so no `protoc` is needed.

/// Package `symbolon.v1`: `ExchangeService` between two nodes, `ControlService` between a node and its operator.
pub mod v1 {
    include!("gen/symbolon.v1.rs");

    /// The package as an encoded `google.protobuf.FileDescriptorSet`, for server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/symbolon.v1.bin");
}
