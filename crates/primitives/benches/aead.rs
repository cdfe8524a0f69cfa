//! Throughput of sealing: streams of 1 MiB beside plain AES-256-GCM over the same bytes, and records of 64 bytes.
//!
//! `cargo bench -p symbolon-primitives --bench aead`

#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]

use std::hint::black_box;
use std::io::{Cursor, Read, Write, sink};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use symbolon_primitives::aead::{RecordContext, RecordOpener, RecordSealer};
use symbolon_primitives::secret::Secret;
use symbolon_primitives::stream::{Decryptor, Encryptor};

const MIB: usize = 1 << 20;
const RECORD_BYTES: usize = 64;
const RECORDS: usize = 4096;
const CONTEXT: &[u8] = b"bench";

fn plain(c: &mut Criterion) {
    let mut group = c.benchmark_group("aes-256-gcm 1 MiB");
    group.throughput(Throughput::Bytes(MIB as u64));
    let cipher = Aes256Gcm::new(&[7; 32].into());
    let nonce = [0; 12].into();
    let mut buffer = vec![1_u8; MIB];
    group.bench_function("seal", |b| {
        b.iter(|| cipher.encrypt_inout_detached(&nonce, &[], black_box(buffer.as_mut_slice()).into()));
    });
    let mut sealed = vec![1_u8; MIB];
    let tag = cipher.encrypt_inout_detached(&nonce, &[], sealed.as_mut_slice().into()).expect("1 MiB is allowed");
    group.bench_function("open with a copy", |b| {
        b.iter(|| {
            buffer.copy_from_slice(&sealed);
            cipher.decrypt_inout_detached(&nonce, &[], black_box(buffer.as_mut_slice()).into(), &tag)
        });
    });
    group.finish();
}

fn stream(c: &mut Criterion) {
    let mut group = c.benchmark_group("stream 1 MiB");
    group.throughput(Throughput::Bytes(MIB as u64));
    let key = Secret::new([7; 32]);
    let plaintext = vec![1_u8; MIB];
    group.bench_function("seal", |b| {
        b.iter(|| {
            let mut stream = Encryptor::new(sink(), &key, CONTEXT).expect("the sink takes everything");
            stream.write_all(black_box(&plaintext)).expect("the sink takes everything");
            stream.finish().expect("the sink takes everything")
        });
    });
    let mut stream = Encryptor::new(Vec::new(), &key, CONTEXT).expect("memory takes everything");
    stream.write_all(&plaintext).expect("memory takes everything");
    let sealed = stream.finish().expect("memory takes everything");
    let mut out = vec![0; MIB];
    group.bench_function("open", |b| {
        b.iter(|| {
            let mut stream = Decryptor::new(Cursor::new(&sealed), &key, CONTEXT).expect("the stream was just sealed");
            stream.read_exact(black_box(&mut out)).expect("the stream was just sealed");
            assert_eq!(stream.read(&mut [0]).expect("the stream was just sealed"), 0);
        });
    });
    group.finish();
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("records of 64 B");
    group.throughput(Throughput::Bytes((RECORDS * RECORD_BYTES) as u64));
    let context = RecordContext { agreement: b"agreement", job: b"job", sid: &[1; 32], schema: &[2; 32] };
    let mut sealer = RecordSealer::new(Secret::new([7; 32]), &context, 0);
    let mut column = sealer.column("balance", RECORD_BYTES).expect("the column is narrow");
    let value = [3_u8; RECORD_BYTES];
    let cipher = Aes256Gcm::new(&[7; 32].into());
    let mut plain = vec![3_u8; RECORDS * RECORD_BYTES];
    group.bench_function("aes-256-gcm alone", |b| {
        b.iter(|| {
            for (record, row) in plain.chunks_exact_mut(RECORD_BYTES).zip(0_u64..) {
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&row.to_be_bytes());
                let buffer = black_box(record).into();
                black_box(cipher.encrypt_inout_detached(&nonce.into(), &[], buffer).expect("64 bytes are allowed"));
            }
        });
    });
    let width = column.sealed_bytes();
    let mut sealed = vec![0_u8; RECORDS * width];
    group.bench_function("seal", |b| {
        b.iter(|| {
            let mut shard = column.shard(0).expect("a bench has fewer than 2^32 rounds");
            for out in sealed.chunks_exact_mut(width) {
                shard.seal(black_box(&value), out).expect("the value fits");
            }
        });
    });
    let mut last = column.shard(0).expect("a bench has fewer than 2^32 rounds");
    for out in sealed.chunks_exact_mut(width) {
        last.seal(&value, out).expect("the value fits");
    }
    let opener = RecordOpener::new(Secret::new([7; 32]), &context);
    let mut shard = opener.shard("balance", RECORD_BYTES, 0, last.shard()).expect("the column is narrow");
    let mut buffer = vec![0_u8; width];
    group.bench_function("open with a copy", |b| {
        b.iter(|| {
            for (record, row) in sealed.chunks_exact(width).zip(0..) {
                buffer.copy_from_slice(record);
                black_box(shard.open(row, &mut buffer).expect("the record was just sealed"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, plain, stream, records);
criterion_main!(benches);
