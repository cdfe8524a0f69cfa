//! The committed code is what the `.proto` files generate.

use std::fs;
use std::path::{Path, PathBuf};

const CODE: &str = "symbolon.v1.rs";
const DESCRIPTORS: &str = "symbolon.v1.bin";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn generate(out: &Path) {
    let protos = ["symbolon/v1/exchange.proto", "symbolon/v1/control.proto"];
    let mut compiler = protox::Compiler::new([root().join("proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(protos).unwrap();
    tonic_prost_build::configure()
        .out_dir(out)
        .emit_rerun_if_changed(false)
        .compile_fds(compiler.file_descriptor_set())
        .unwrap();
    let bare = protox::Compiler::new([root().join("proto")])
        .unwrap()
        .include_imports(true)
        .open_files(protos)
        .unwrap()
        .encode_file_descriptor_set();
    fs::write(out.join(DESCRIPTORS), bare).unwrap();
}

#[test]
fn committed_code_is_current() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen");
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    for name in [CODE, DESCRIPTORS] {
        let wanted = fs::read(fresh.path().join(name)).unwrap();
        if std::env::var_os("SYMBOLON_REGENERATE").is_some() {
            fs::write(committed.join(name), &wanted).unwrap();
        }
        let found = fs::read(committed.join(name)).unwrap();
        assert!(
            found == wanted,
            "src/gen/{name} is not what proto/symbolon/v1 generates: run SYMBOLON_REGENERATE=1 cargo test -p symbolon-wire"
        );
    }
}

#[test]
fn descriptors_name_both_services() {
    let descriptors = symbolon_wire::v1::FILE_DESCRIPTOR_SET;
    for service in [b"ExchangeService".as_slice(), b"ControlService".as_slice()] {
        assert!(descriptors.windows(service.len()).any(|window| window == service));
    }
}
