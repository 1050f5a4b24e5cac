//! The loopback interface of a new network namespace, which is down at first (protocol: `rtnetlink(7)`).

use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const RTM_NEWLINK: u16 = 16;
const NLMSG_ERROR: u16 = 2;
/// A request that is to be acknowledged.
const NLM_F_REQUEST_ACK: u16 = 0x1 | 0x4;
const IFF_UP: u32 = 1;
/// Of a request: its header and the interface's description.
const LENGTH: u32 = 16 + 16;

/// Brings `lo` up.
///
/// # Errors
/// What the system says.
pub fn up() -> Result<(), Errno> {
    // No protocol is `NETLINK_ROUTE`.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let index = name_to_index(&socket, "lo")?;
    send(&socket, &request(index), SendFlags::empty())?;
    let mut answer = [0_u8; 128];
    let (_, length) = recv(&socket, &mut answer, RecvFlags::empty())?;
    acknowledged(&answer[..length.min(answer.len())])
}

/// `struct nlmsghdr`, then `struct ifinfomsg`.
fn request(index: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(RTM_NEWLINK.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    let (sequence, sender, family_and_type) = (1_u32, 0_u32, 0_u32);
    for field in [sequence, sender, family_and_type, index, IFF_UP, IFF_UP] {
        bytes.extend(field.to_ne_bytes());
    }
    bytes
}

/// An answer is a header of 16 bytes and, in an error message, a negative error number: 0 is success.
fn acknowledged(answer: &[u8]) -> Result<(), Errno> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(number)) => Err(Errno::from_raw_os_error(-number)),
        (Some(_) | None, _) => Err(Errno::PROTO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_it_says() {
        assert_eq!(request(1).len(), LENGTH as usize);
    }

    #[test]
    fn answers_are_told_apart() {
        let answer = |kind: u16, error: i32| {
            let mut bytes = vec![0_u8; 20];
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes[16..20].copy_from_slice(&error.to_ne_bytes());
            acknowledged(&bytes)
        };
        assert_eq!(answer(NLMSG_ERROR, 0), Ok(()));
        assert_eq!(answer(NLMSG_ERROR, -1), Err(Errno::PERM));
        assert_eq!(answer(RTM_NEWLINK, 0), Err(Errno::PROTO));
        assert_eq!(acknowledged(&[]), Err(Errno::PROTO));
    }
}
