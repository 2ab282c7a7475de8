// SPDX-License-Identifier: MIT
//! Truth about a Rust program with the allocator of its standard library: a Vec that grows, boxes,
//! zeroed memory and an alignment that malloc does not give.
//!
//! matrix-rust [--wait] [ROUNDS]
//!
//!     ready PID             with --wait: goes on at a line or the end of stdin
//!     truth alloc.count=3   alloc, zeroed, grow, free and aligned: what the program asked for
//!     grow 8 16 20          OLD NEW COUNT: how often a Vec grew from OLD to NEW bytes
//!     layout alloc 200 8 20 KIND SIZE ALIGN COUNT: what was asked for, and with which alignment
//!
//! Nothing allocates between "ready" and the end but what is counted: standard output and input are
//! used as bare files, and the program leaves by _exit.

use std::fs::File;
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::unix::io::FromRawFd;

extern "C" {
    fn _exit(code: i32) -> !;
}

/// The compiler may not leave out a block whose address was written here.
static mut SEEN: *const () = std::ptr::null();

fn seen<T>(pointer: *const T) {
    unsafe { std::ptr::write_volatile(std::ptr::addr_of_mut!(SEEN), pointer as *const ()) }
}

#[repr(align(256))]
struct Wide([u64; 64]);

/// Sizes and alignments that occur, zeroed memory's apart.
const LAYOUTS: [(usize, usize); 7] = [
    (8, 1),
    (16, 1),
    (32, 1),
    (64, 1),
    (128, 1),
    (200, 8),
    (512, 256),
];

#[derive(Default)]
struct Tally {
    count: usize,
    bytes: usize,
    of_layout: [usize; LAYOUTS.len()],
}

impl Tally {
    fn add(&mut self, bytes: usize, align: usize) {
        self.count += 1;
        self.bytes += bytes;
        if let Some(i) = LAYOUTS.iter().position(|l| *l == (bytes, align)) {
            self.of_layout[i] += 1;
        }
    }
}

#[derive(Default)]
struct Truth {
    alloc: Tally,
    zeroed: Tally,
    grow: Tally,
    aligned: Tally,
    free: Tally,
    live_blocks: usize,
    live_bytes: usize,
    steps: [usize; 5], // from 8 bytes on, and so forth
}

/// 100 bytes, one by one.
#[inline(never)]
fn grow(truth: &mut Truth) {
    let mut bytes: Vec<u8> = Vec::new();
    let mut had = 0;
    for i in 0..100 {
        bytes.push(i);
        seen(bytes.as_ptr());
        let has = bytes.capacity();
        if has == had {
            continue;
        }
        if had == 0 {
            truth.alloc.add(has, 1);
        } else {
            truth.grow.add(has, 1);
            truth.steps[(had / 8).trailing_zeros() as usize] += 1;
        }
        had = has;
    }
    truth.free.add(had, 1);
}

#[inline(never)]
fn boxes(truth: &mut Truth, leak: bool) {
    let block = Box::new([7u64; 25]);
    seen(&*block);
    truth.alloc.add(200, 8);
    if leak {
        std::mem::forget(block);
        truth.live_blocks += 1;
        truth.live_bytes += 200;
    } else {
        drop(block);
        truth.free.add(200, 8);
    }
}

#[inline(never)]
fn zeroes(truth: &mut Truth, n: usize) {
    let block = vec![0u8; n];
    seen(block.as_ptr());
    truth.zeroed.add(n, 1);
    drop(block);
    truth.free.add(n, 1);
}

#[inline(never)]
fn wide(truth: &mut Truth) {
    let block = Box::new(Wide([1; 64]));
    seen(&block.0);
    truth.aligned.add(512, 256);
    drop(block);
    truth.free.add(512, 256);
}

fn print(out: &mut File, truth: &Truth) -> std::io::Result<()> {
    let rows = [
        ("alloc", &truth.alloc),
        ("zeroed", &truth.zeroed),
        ("grow", &truth.grow),
        ("aligned", &truth.aligned),
        ("free", &truth.free),
    ];
    for (name, tally) in rows {
        writeln!(out, "truth {}.count={}", name, tally.count)?;
        writeln!(out, "truth {}.bytes={}", name, tally.bytes)?;
        for ((size, align), count) in LAYOUTS.iter().zip(tally.of_layout) {
            if count > 0 {
                writeln!(out, "layout {} {} {} {}", name, size, align, count)?;
            }
        }
    }
    for (i, count) in truth.steps.iter().enumerate() {
        if *count > 0 {
            writeln!(out, "grow {} {} {}", 8 << i, 16 << i, count)?;
        }
    }
    writeln!(out, "truth live.blocks={}", truth.live_blocks)?;
    writeln!(out, "truth live.bytes={}", truth.live_bytes)
}

fn wait_for_line(out: &mut File) {
    let mut stdin = ManuallyDrop::new(unsafe { File::from_raw_fd(0) });
    let mut byte = [0u8];
    let _ = writeln!(out, "ready {}", std::process::id());
    while matches!(stdin.read(&mut byte), Ok(1)) && byte[0] != b'\n' {}
}

fn main() {
    let mut out = ManuallyDrop::new(unsafe { File::from_raw_fd(1) });
    let mut args = std::env::args().skip(1).peekable();
    let wait = args.next_if(|a| a == "--wait").is_some();
    let rounds: usize = args.next().and_then(|a| a.parse().ok()).unwrap_or(20);
    let mut truth = Truth::default();

    if wait {
        wait_for_line(&mut out);
    }
    for i in 1..=rounds {
        grow(&mut truth);
        boxes(&mut truth, i % 4 == 0);
        zeroes(&mut truth, i * 1000);
        wide(&mut truth);
    }
    let written = print(&mut out, &truth);
    unsafe { _exit(written.is_err() as i32) }
}
