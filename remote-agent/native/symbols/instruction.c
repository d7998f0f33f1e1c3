/* SPDX-License-Identifier: MIT */
/*
 * Lengths of x86-64 instructions, and what little else is needed to see how control flows through a function.
 * Encodings: Intel SDM volume 2, chapter 2 (formats) and appendix A (opcode maps). 64-bit mode only.
 */
#include <string.h>
#include "symbols.h"

enum {
	M = 1,	   /* a ModRM byte follows */
	B = 2,	   /* an immediate of 1 byte */
	W = 4,	   /* of 2 bytes */
	Z = 8,	   /* of 4 bytes, 2 with an operand size prefix */
	BAD = 128, /* not in 64-bit mode, or a prefix, which is handled before */
};

static unsigned one_byte_format(unsigned opcode)
{
	if (opcode < 0x40)
		return (opcode & 7) < 4 ? M : (opcode & 7) == 4 ? B : (opcode & 7) == 5 ? Z : BAD;
	switch (opcode) {
	case 0x60:
	case 0x61:
	case 0x82:
	case 0x9a:
	case 0xce:
	case 0xd4 ... 0xd6:
	case 0xea:
		return BAD;
	case 0x68:
	case 0xa9:
	case 0xe8:
	case 0xe9:
		return Z;
	case 0x69:
	case 0x81:
	case 0xc7:
		return M | Z;
	case 0x6a:
	case 0x70 ... 0x7f:
	case 0xa8:
	case 0xb0 ... 0xb7:
	case 0xcd:
	case 0xe0 ... 0xe7:
	case 0xeb:
		return B;
	case 0x6b:
	case 0x80:
	case 0x83:
	case 0xc0:
	case 0xc1:
	case 0xc6:
		return M | B;
	case 0xc2:
	case 0xca:
		return W;
	case 0xc8:
		return W | B;
	case 0x63:
	case 0x84 ... 0x8f:
	case 0xd0 ... 0xd3:
	case 0xd8 ... 0xdf:
	case 0xf6: /* with an immediate for some; see below */
	case 0xf7:
	case 0xfe:
	case 0xff:
		return M;
	default:
		return 0;
	}
}

static unsigned two_byte_format(unsigned opcode)
{
	switch (opcode) {
	case 0x70 ... 0x73:
	case 0xa4:
	case 0xac:
	case 0xba:
	case 0xc2:
	case 0xc4 ... 0xc6:
		return M | B;
	case 0x80 ... 0x8f:
		return Z;
	case 0x04 ... 0x0c:
	case 0x0e:
	case 0x30 ... 0x37:
	case 0x77:
	case 0xa0 ... 0xa2:
	case 0xa8 ... 0xaa:
	case 0xc8 ... 0xcf:
		return 0;
	default:
		return M;
	}
}

/* Bytes of ModRM, SIB and displacement; 0 when they are not all there. */
static size_t modrm_length(const unsigned char *bytes, size_t left)
{
	unsigned mod, rm;
	size_t length = 1;

	if (left < 2)
		return left; /* a bare register form is one byte */
	mod = bytes[0] >> 6;
	rm = bytes[0] & 7;
	if (mod == 3)
		return 1;
	if (rm == 4) {
		length++;
		if (mod == 0 && (bytes[1] & 7) == 5)
			length += 4;
	}
	if (mod == 1)
		length += 1;
	else if (mod == 2 || (mod == 0 && rm == 5))
		length += 4;
	return length;
}

/* The number of the general register that an instruction of the one-byte map, or a load of the two-byte map,
 * writes; -1 for others. */
static int written(unsigned map, unsigned opcode, const unsigned char *modrm, unsigned rex)
{
	int reg = ((modrm[0] >> 3) & 7) | ((rex & 4) << 1), rm = (modrm[0] & 7) | ((rex & 1) << 3);
	bool direct = modrm[0] >> 6 == 3;

	if (map == 1) {
		bool loads = (opcode >= 0x40 && opcode <= 0x4f) || opcode == 0xaf || opcode == 0xb6 ||
			     opcode == 0xb7 || opcode == 0xbe || opcode == 0xbf;

		return loads ? reg : -1;
	}
	if ((opcode >= 0x58 && opcode <= 0x5f) || opcode >= 0xb8)
		if (opcode <= 0x5f || opcode <= 0xbf)
			return (int)(opcode & 7) | (int)((rex & 1) << 3);
	if (opcode < 0x38 && (opcode & 7) < 4)
		return opcode & 2 ? reg : direct ? rm : -1;
	switch (opcode) {
	case 0x63:
	case 0x69:
	case 0x6b:
	case 0x8b:
	case 0x8d:
		return reg;
	case 0x81:
	case 0x83:
		return direct && ((modrm[0] >> 3) & 7) != 7 ? rm : -1; /* /7 compares */
	case 0x89:
	case 0xc1:
	case 0xc7:
	case 0xd1:
	case 0xd3:
		return direct ? rm : -1;
	default:
		return -1;
	}
}

static uint64_t relative(const unsigned char *end, unsigned size, uint64_t next)
{
	int32_t distance;

	if (size == 1)
		return next + (uint64_t)(int64_t)(int8_t)end[-1];
	memcpy(&distance, end - 4, 4);
	return next + (uint64_t)(int64_t)distance;
}

static void classify(struct instruction *out, unsigned map, unsigned opcode, const unsigned char *modrm,
		     const unsigned char *end, uint64_t next)
{
	unsigned digit = (modrm[0] >> 3) & 7;

	if (map == 1) {
		if (opcode >= 0x80 && opcode <= 0x8f) {
			out->flow = FLOW_BRANCH;
			out->target = relative(end, 4, next);
		} else if (opcode == 0x0b) {
			out->flow = FLOW_END;
		}
		return;
	}
	if (map != 0)
		return;
	if ((opcode >= 0x70 && opcode <= 0x7f) || (opcode >= 0xe0 && opcode <= 0xe3)) {
		out->flow = FLOW_BRANCH;
		out->target = relative(end, 1, next);
	} else if (opcode == 0xe8 || (opcode == 0xff && digit == 2)) {
		out->flow = FLOW_CALL;
	} else if (opcode == 0xe9 || opcode == 0xeb) {
		out->flow = FLOW_JUMP;
		out->target = relative(end, opcode == 0xe9 ? 4 : 1, next);
	} else if (opcode == 0xc2 || opcode == 0xc3 || opcode == 0xf4 || (opcode == 0xff && digit == 4)) {
		out->flow = FLOW_END;
	}
}

bool decode_instruction(const unsigned char *bytes, size_t left, uint64_t address, struct instruction *out)
{
	unsigned rex = 0, map = 0, opcode, format;
	bool narrow = false, short_address = false;
	size_t at = 0;
	static const unsigned char none[1];
	const unsigned char *modrm = none;

	memset(out, 0, sizeof(*out));
	out->written = -1;
#define NEED(count)                                                                                          \
	do {                                                                                                 \
		if (left < at + (count) || at + (count) > 15)                                                \
			return false;                                                                        \
	} while (0)
	for (;; at++) {
		NEED(1);
		unsigned byte = bytes[at];

		if (byte == 0x66)
			narrow = true;
		else if (byte == 0x67)
			short_address = true;
		else if (byte != 0xf0 && byte != 0xf2 && byte != 0xf3 && byte != 0x2e && byte != 0x36 &&
			 byte != 0x3e && byte != 0x26 && byte != 0x64 && byte != 0x65)
			break;
	}
	if ((bytes[at] & 0xf0) == 0x40)
		rex = bytes[at++];
	NEED(1);
	opcode = bytes[at++];
	if (opcode == 0xc5 || opcode == 0xc4 || opcode == 0x62) {
		/* VEX and EVEX: a map number and fields where prefixes would be. */
		size_t fields = opcode == 0xc5 ? 1 : opcode == 0xc4 ? 2 : 3;

		NEED(fields + 1);
		map = opcode == 0xc5 ? 1 : bytes[at] & (opcode == 0xc4 ? 31 : 7);
		at += fields;
		opcode = bytes[at++];
		if (map < 1 || map > 6)
			return false;
		format = map == 3		      ? M | B
			 : map == 1 && opcode != 0x77 ? two_byte_format(opcode) | M
			 : map == 1		      ? 0
						      : M;
		map += 8; /* nothing of these branches or writes a register that matters */
	} else if (opcode == 0x0f) {
		NEED(1);
		opcode = bytes[at++];
		map = 1;
		format = two_byte_format(opcode);
		if (opcode == 0x38 || opcode == 0x3a) {
			format = opcode == 0x38 ? M : M | B;
			map = 2;
			NEED(1);
			opcode = bytes[at++];
		}
	} else {
		format = one_byte_format(opcode);
	}
	if (format & BAD)
		return false;
	if (format & M) {
		size_t length;

		NEED(1);
		modrm = bytes + at;
		length = modrm_length(modrm, left - at);
		NEED(length);
		at += length;
		if (map == 0 && (opcode == 0xf6 || opcode == 0xf7) && (modrm[0] & 0x30) == 0)
			format |= opcode == 0xf6 ? B : Z;
	}
	if (map == 0 && opcode >= 0xa0 && opcode <= 0xa3)
		at += short_address ? 4 : 8;
	if (map == 0 && opcode >= 0xb8 && opcode <= 0xbf)
		at += rex & 8 ? 8 : narrow ? 2 : 4;
	at += (format & B ? 1 : 0) + (format & W ? 2 : 0);
	/* Near branches ignore the operand size prefix in 64-bit mode (on Intel's processors). */
	if (format & Z)
		at += narrow && !(rex & 8) && !(map == 1) && opcode != 0xe8 && opcode != 0xe9 ? 2 : 4;
	NEED(0);
#undef NEED
	out->length = (unsigned)at;
	if (map <= 1)
		out->written = written(map, opcode, modrm, rex);
	classify(out, map, opcode, modrm, bytes + at, address + at);
	return true;
}
