// The same from Rust, declared by hand from evhooks.h.  usage: example RING
use std::ffi::CString;
use std::os::raw::{c_char, c_int, c_uint, c_void}; // Where they are for the Rust of Debian 12, too.

#[repr(C)]
#[derive(Default)]
struct Options { slots: u32, node: u8, join: bool, rate_per_s: u32, burst: u32, cap_kind: u32, cap_telemetry: u32 }

#[repr(C)]
struct Counters { decided: [u64; 8], not_owner: [u64; 8], rest: [[u64; 8]; 4] }

#[link(name = "evhooks")]
extern "C" {
    fn evhooks_defaults(o: *mut Options);
    fn evhooks_open(out: *mut *mut c_void, name: *const c_char, o: *const Options, err: *mut c_char, size: usize) -> c_int;
    fn evhooks_worker_open(out: *mut *mut c_void, ring: *mut c_void, err: *mut c_char, size: usize) -> c_int;
    fn evhooks_emit(w: *mut c_void, group: c_uint, now_ns: u64, time_ns: u64, names: u32, event: *const u8) -> c_int;
    fn evhooks_counters(ring: *const c_void, out: *mut Counters);
    fn evhooks_worker_close(w: *mut c_void);
    fn evhooks_close(ring: *mut c_void);
}

fn main() {
    let name = CString::new(std::env::args().nth(1).expect("usage: example RING")).unwrap();
    let (mut ring, mut worker) = (std::ptr::null_mut(), std::ptr::null_mut());
    let (mut o, mut err) = (Options::default(), [0 as c_char; 256]);
    let mut event = [0u8; 136];
    let mut c = Counters { decided: [0; 8], not_owner: [0; 8], rest: [[0; 8]; 4] };
    event[48] = 1; // ingress zone
    event[52] = 3; // POLICY_DENY
    event[55] = 2; // IPv4
    unsafe {
        evhooks_defaults(&mut o);
        assert_eq!(evhooks_open(&mut ring, name.as_ptr(), &o, err.as_mut_ptr(), err.len()), 0);
        assert_eq!(evhooks_worker_open(&mut worker, ring, err.as_mut_ptr(), err.len()), 0);
        evhooks_emit(worker, 1, 1, 1, 0, event.as_ptr());
        evhooks_counters(ring, &mut c);
        evhooks_worker_close(worker);
        evhooks_close(ring);
    }
    println!("decided {}, not_owner {}", c.decided[3], c.not_owner[3]);
}
