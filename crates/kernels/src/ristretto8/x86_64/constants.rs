//! Constants of RFC 9496, section 4.1, in limbs of 51 bits; the tests derive them from their definitions.

/// 2·p, for differences of tight elements.
pub(super) const P_TWICE: [u64; 5] =
    [0xf_ffff_ffff_ffda, 0xf_ffff_ffff_fffe, 0xf_ffff_ffff_fffe, 0xf_ffff_ffff_fffe, 0xf_ffff_ffff_fffe];

/// 1.
pub(super) const ONE: [u64; 5] = [1, 0, 0, 0, 0];

/// -1.
pub(super) const MINUS_ONE: [u64; 5] =
    [0x7_ffff_ffff_ffec, 0x7_ffff_ffff_ffff, 0x7_ffff_ffff_ffff, 0x7_ffff_ffff_ffff, 0x7_ffff_ffff_ffff];

/// The curve's d = -121665/121666.
pub(super) const D: [u64; 5] =
    [0x3_4dca_1359_78a3, 0x1_a828_3b15_6ebd, 0x5_e7a2_6001_c029, 0x7_39c6_63a0_3cbb, 0x5_2036_cee2_b6ff];

/// 2·d.
pub(super) const D_TWICE: [u64; 5] =
    [0x6_9b94_26b2_f159, 0x3_5050_762a_dd7a, 0x3_cf44_c003_8052, 0x6_738c_c740_7977, 0x2_406d_9dc5_6dff];

/// The even square root of -1.
pub(super) const SQRT_M1: [u64; 5] =
    [0x6_1b27_4a0e_a0b0, 0x0_d5a5_fc8f_189d, 0x7_ef5e_9cbd_0c60, 0x7_8595_a680_4c9e, 0x2_b832_4804_fc1d];

/// A square root of -d - 1.
pub(super) const SQRT_AD_MINUS_ONE: [u64; 5] =
    [0x7_f6a0_497b_2e1b, 0x1_836f_0a97_afd2, 0x7_d747_f6be_7638, 0x4_5607_9e7e_6498, 0x3_7693_1bf2_b834];

/// 1/sqrt(-1 - d).
pub(super) const INVSQRT_A_MINUS_D: [u64; 5] =
    [0x0_fdaa_805d_40ea, 0x2_eb48_2e57_d339, 0x0_0761_0274_bc58, 0x6_510b_613d_c8ff, 0x7_86c8_905c_faff];

/// 1 - d^2.
pub(super) const ONE_MINUS_D_SQ: [u64; 5] =
    [0x4_09c1_945f_c176, 0x7_19ab_c6a1_fc4f, 0x1_c37f_90b2_0684, 0x0_6bcc_ca55_eedf, 0x0_2907_2a8b_2b3e];

/// (d - 1)^2.
pub(super) const D_MINUS_ONE_SQ: [u64; 5] =
    [0x5_5aaa_44ed_4d20, 0x5_9603_c333_2635, 0x2_6d3b_af4a_7928, 0x1_20a6_6e69_97a9, 0x5_968b_37af_66c2];
