//! Encrypted files between partners.

use crate::support::{World, data, path};

#[test]
fn a_file_goes_to_one_partner_and_comes_from_one() {
    let world = World::new();
    world.introduce("127.0.0.1:1", "127.0.0.1:1");
    let (plain, sealed, opened) = (data("bank_customers.csv"), world.file("sealed"), world.file("opened.csv"));
    world.bank.ok(&["encrypt", path(&plain), "--to", "bureau", "-o", &sealed]);
    world.bureau.ok(&["decrypt", &sealed, "--from", "bank", "-o", &opened]);
    assert!(std::fs::read(&opened).expect("readable") == std::fs::read(&plain).expect("readable"));

    let again = ["decrypt", &sealed, "--from", "bank", "-o", &opened];
    world.bureau.run(&again).fails(2, &["exists already", "--force"]);
    world.bank.run(&["decrypt", &sealed, "--from", "bureau", "-o", &world.file("x")]).fails(3, &["not encrypted to"]);
    world.bureau.run(&["decrypt", path(&plain), "--from", "bank", "-o", &world.file("x")]).fails(3, &["no file that"]);
    world.bank.run(&["encrypt", &world.file("none"), "--to", "bureau", "-o", &world.file("x")]).fails(3, &["none"]);
    world.bank.run(&["encrypt", path(&plain), "--to", "nobody", "-o", &world.file("x")]).fails(2, &["peer"]);
}

#[test]
fn a_changed_or_cut_file_leaves_nothing_behind() {
    let world = World::new();
    world.introduce("127.0.0.1:1", "127.0.0.1:1");
    let (plain, sealed) = (data("bank_customers.csv"), world.file("sealed"));
    world.bank.ok(&["encrypt", path(&plain), "--to", "bureau", "-o", &sealed]);
    let bytes = std::fs::read(&sealed).expect("readable");
    let mut changed = bytes.clone();
    *changed.last_mut().expect("not empty") ^= 1;
    let folder = std::path::Path::new(&sealed).parent().expect("a folder");
    let before = std::fs::read_dir(folder).expect("readable").count();
    for wrong in [changed, bytes[..bytes.len() - 1].to_vec(), bytes[..bytes.len() / 2].to_vec(), Vec::new()] {
        std::fs::write(&sealed, wrong).expect("writable");
        let out = world.file("opened");
        world.bureau.run(&["decrypt", &sealed, "--from", "bank", "-o", &out]).fails(3, &["sealed"]);
        assert_eq!(std::fs::read_dir(folder).expect("readable").count(), before, "no file is left");
    }
}
