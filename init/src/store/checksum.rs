//! CRC-32 as in zip and Ethernet, four bytes at a time: a snapshot is large, and a turn must cost little.

/// The remainders of each byte at each of four places. 4 KiB, of which a file's page is shared.
static TABLE: [[u32; 256]; 4] = table();

/// A checksum over bytes that come piece by piece.
#[derive(Debug, Clone, Copy)]
pub struct Checksum(u32);

impl Default for Checksum {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Checksum {
    /// Takes these bytes in, too.
    pub fn add(&mut self, bytes: &[u8]) {
        let (fours, rest) = bytes.as_chunks::<4>();
        let mut sum = self.0;
        for four in fours {
            let [a, b, c, d] = (sum ^ u32::from_le_bytes(*four)).to_le_bytes();
            sum = look(3, a) ^ look(2, b) ^ look(1, c) ^ look(0, d);
        }
        for byte in rest {
            let [low, ..] = sum.to_le_bytes();
            sum = sum >> 8 ^ look(0, low ^ byte);
        }
        self.0 = sum;
    }

    /// The sum of all that was taken in.
    #[must_use]
    pub const fn sum(self) -> u32 {
        !self.0
    }

    /// The sum of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u32 {
        let mut sum = Self::default();
        sum.add(bytes);
        sum.sum()
    }
}

fn look(place: usize, byte: u8) -> u32 {
    TABLE.get(place).and_then(|table| table.get(usize::from(byte))).copied().unwrap_or(0)
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "done by the compiler")]
const fn table() -> [[u32; 256]; 4] {
    let mut table = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[0][byte] = sum;
        byte += 1;
    }
    let mut byte = 0;
    while byte < 256 {
        let mut place = 1;
        while place < 4 {
            let sum: u32 = table[place - 1][byte];
            table[place][byte] = sum >> 8 ^ table[0][(sum & 0xFF) as usize];
            place += 1;
        }
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_crc_32() {
        assert_eq!(Checksum::of(b"123456789"), 0xCBF4_3926);
        assert_eq!(Checksum::of(b""), 0);
        assert_eq!(Checksum::of(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }

    #[test]
    fn pieces_give_the_same_sum() {
        let bytes: Vec<u8> = (0..1_000_u32).map(|it| (it * 7 % 251) as u8).collect();
        for cut in 0..bytes.len() {
            let mut sum = Checksum::default();
            sum.add(&bytes[..cut]);
            sum.add(&bytes[cut..]);
            assert_eq!(sum.sum(), Checksum::of(&bytes), "{cut}");
        }
    }
}
