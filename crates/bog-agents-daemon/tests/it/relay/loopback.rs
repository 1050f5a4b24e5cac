//! This machine's loopback services, forwarded as they are.

use super::namespace::{connect, echo, empty, enter, inside, read_all, relay, serve, unprivileged};
use crate::support::eventually;
use bog_agents_daemon::relay::Reach;
use rustix::net::sockopt::set_socket_linger;
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

const PIECE: usize = 64 * 1024;
const PIECES: usize = 160;

#[test]
fn many_connections_carry_much_at_once() {
    let port = serve("127.0.0.1:0", echo);
    let relay = relay(&Reach::Loopback, &[]);
    let said = inside(&relay, unprivileged(), "relay::loopback::child_carries", &json!({ "port": port }));
    assert!(said.contains("64 times 10485760"), "{said}");
    drop(relay);
}

#[test]
fn child_carries() {
    let Some(inside) = enter() else { return };
    let to = format!("127.0.0.1:{}", inside.port("port"));
    let connections = (0..64_u8).map(|seed| {
        let stream = connect(&to);
        std::thread::spawn(move || carry(&stream, seed))
    });
    let carried: Vec<_> = connections.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(carried.iter().all(|bytes| *bytes == PIECE * PIECES), "{carried:?}");
    print!("{} times {}", carried.len(), carried[0]);
}

/// Sends much and reads it back meanwhile; each piece differs, so that nothing can be lost, doubled or swapped unseen.
fn carry(stream: &TcpStream, seed: u8) -> usize {
    let piece = |number: usize| {
        let mut piece = vec![seed; PIECE];
        piece[..8].copy_from_slice(&number.to_le_bytes());
        piece
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = stream;
            for number in 0..PIECES {
                stream.write_all(&piece(number)).unwrap();
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut stream = stream;
        let mut received = vec![0; PIECE];
        for number in 0..PIECES {
            stream.read_exact(&mut received).unwrap();
            assert!(received == piece(number), "piece {number} of {seed}");
        }
        PIECE * PIECES + stream.read(&mut received).unwrap()
    })
}

#[test]
fn either_side_may_end_first_and_cut_off_is_cut_off() {
    let counts = serve("127.0.0.1:0", |mut stream| {
        let heard = read_all(&mut stream).len();
        write!(stream, "heard {heard} bytes").unwrap();
    });
    let (heard, tell) = mpsc::channel();
    let speaks_first = serve("127.0.0.1:0", move |mut stream| {
        stream.write_all(b"that is all").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        heard.send(read_all(&mut stream)).unwrap();
    });
    let cuts_off = serve("127.0.0.1:0", |mut stream| {
        stream.write_all(b"half of i").unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).unwrap();
        set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    });
    let relay = relay(&Reach::Loopback, &[]);
    let told = json!({ "counts": counts, "speaks_first": speaks_first, "cuts_off": cuts_off });
    inside(&relay, empty(), "relay::loopback::child_ends", &told);
    assert_eq!(tell.recv_timeout(crate::support::PATIENCE).unwrap(), "said after its end");
    drop(relay);
}

#[test]
fn child_ends() {
    let Some(inside) = enter() else { return };
    let to = |name: &str| connect(&format!("127.0.0.1:{}", inside.port(name)));
    let mut counts = to("counts");
    counts.write_all(&[0; 100_000]).unwrap();
    counts.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut counts), "heard 100000 bytes");

    let mut speaks_first = to("speaks_first");
    assert_eq!(read_all(&mut speaks_first), "that is all");
    speaks_first.write_all(b"said after its end").unwrap();
    drop(speaks_first);

    let mut cuts_off = to("cuts_off");
    let mut half = [0; 9];
    cuts_off.read_exact(&mut half).unwrap();
    cuts_off.write_all(b"more").unwrap();
    let error = cuts_off.read(&mut half).expect_err("no orderly end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn only_what_listens_outside_is_there_and_never_what_is_closed() {
    let v4 = serve("127.0.0.1:0", echo);
    let v6 = serve("[::1]:0", echo);
    let any = serve("0.0.0.0:0", echo);
    let closed = serve("127.0.0.1:0", echo);
    let goes_away = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = goes_away.local_addr().unwrap().port();
    let relay = relay(&Reach::Loopback, &[closed]);
    drop(goes_away);
    // Not there yet when the relay was started.
    let late = serve("127.0.0.1:0", echo);
    let told = json!({ "v4": v4, "v6": v6, "any": any, "closed": closed, "gone": gone, "late": late });
    inside(&relay, empty(), "relay::loopback::child_looks_around", &told);
    assert!(relay.doors().ports.len() <= 512 && !relay.doors().proxy);
    drop(relay);
}

#[test]
fn child_looks_around() {
    let Some(inside) = enter() else { return };
    assert_eq!(inside.environment, []);
    // Whichever address a program takes for localhost, the service is found.
    for name in ["v4", "v6", "any"] {
        for address in ["127.0.0.1", "127.0.0.9", "[::1]"] {
            let mut stream = connect(&format!("{address}:{}", inside.port(name)));
            stream.write_all(b"hello").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_all(&mut stream), "hello", "{name} at {address}");
        }
    }
    for name in ["closed", "late"] {
        let port = inside.port(name);
        let error = TcpStream::connect(("127.0.0.1", port)).expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{name}");
        // The port is free for the agent's own use.
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
    let mut gone = connect(&format!("127.0.0.1:{}", inside.port("gone")));
    let error = gone.read(&mut [0]).expect_err("no orderly end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

/// More than all buffers of the system on the way hold together.
const FLOOD_BYTES: u64 = 512 * 1024 * 1024;

#[test]
fn who_does_not_read_stops_its_sender_and_nobody_else() {
    let echoes = serve("127.0.0.1:0", echo);
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let floods = serve("127.0.0.1:0", move |mut stream| {
        let piece = [0; PIECE];
        // It ends when the connection does.
        while counter.load(Ordering::Relaxed) < FLOOD_BYTES && stream.write_all(&piece).is_ok() {
            counter.fetch_add(PIECE as u64, Ordering::Relaxed);
        }
    });
    let relay = relay(&Reach::Loopback, &[]);
    let told = json!({ "echoes": echoes, "floods": floods });
    inside(&relay, empty(), "relay::loopback::child_does_not_read", &told);
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent > 0 && sent < FLOOD_BYTES, "{sent} bytes");
    drop(relay);
}

#[test]
fn child_does_not_read() {
    let Some(inside) = enter() else { return };
    let floods = connect(&format!("127.0.0.1:{}", inside.port("floods")));
    let waiting = || {
        let mut piece = vec![0; 1024 * 1024];
        floods.peek(&mut piece).unwrap()
    };
    // Until what waits here no longer grows, others are served all the while.
    let mut before = 0;
    eventually("the sender stops", || {
        let mut echoes = connect(&format!("127.0.0.1:{}", inside.port("echoes")));
        for number in 0..100_u8 {
            echoes.write_all(&[number]).unwrap();
            let mut back = [0];
            echoes.read_exact(&mut back).unwrap();
            assert_eq!(back, [number]);
        }
        let now = waiting();
        let stands = now == before && now > 0;
        before = now;
        stands
    });
}

#[test]
fn too_many_connections_wait_for_a_place() {
    let port = serve("127.0.0.1:0", echo);
    let relay = relay(&Reach::Loopback, &[]);
    inside(&relay, empty(), "relay::loopback::child_takes_all_places", &json!({ "port": port }));
    drop(relay);
}

#[test]
fn child_takes_all_places() {
    let Some(inside) = enter() else { return };
    let to = format!("127.0.0.1:{}", inside.port("port"));
    let served = |stream: &mut TcpStream| {
        stream.write_all(b"x").unwrap();
        let mut back = [0];
        stream.read_exact(&mut back).unwrap();
    };
    let mut all: Vec<_> = (0..256)
        .map(|_| {
            let mut stream = connect(&to);
            served(&mut stream);
            stream
        })
        .collect();
    let mut further = connect(&to);
    further.write_all(b"y").unwrap();
    further.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let error = further.read(&mut [0]).expect_err("no place is free");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    drop(all.pop());
    further.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    further.read_exact(&mut [0]).unwrap();
    served(&mut all[0]);
}
