// SPDX-License-Identifier: GPL-2.0-only
/*
 * skua-ranges.c
 *
 * Where the executable memory of an address space is, as of its last report: a sorted array of disjoint ranges, replaced as
 * a whole and read under RCU. It tells which words of a stack can be code addresses.
 */

#include <linux/mm.h>
#include <linux/slab.h>

#include <wrapper/skua-mm.h>

#include "skua-internal.h"

/* A process with more (after merging neighbours) has no array; its stacks are then sent in full. */
#define MAX_RANGES 1024

/* Goes through the executable mappings in order, merging neighbours; fills the array when there is one. Returns their number. */
static unsigned int collect(struct mm_struct *mm, struct skua_range *ranges, unsigned int room)
{
	struct vm_area_struct *vma;
	unsigned int count = 0;
	u64 end = 0;

	SKUA_VMA_ITERATOR(it, mm);
	skua_for_each_vma(it, vma) {
		if (!(vma->vm_flags & VM_EXEC))
			continue;
		if (count && vma->vm_start == end) {
			if (ranges)
				ranges[count - 1].size += vma->vm_end - vma->vm_start;
		} else {
			if (ranges && count == room)
				return count + 1;
			if (ranges)
				ranges[count] = (struct skua_range){
					.start = vma->vm_start, .size = vma->vm_end - vma->vm_start };
			count++;
		}
		end = vma->vm_end;
	}
	return count;
}

/*
 * The ranges of an address space whose lock is held for reading. NULL: no memory, too many, none, or addresses too large
 * for the site's encoding (skua-site.c).
 */
struct skua_ranges *skua_ranges_take(struct mm_struct *mm, u64 epoch, gfp_t gfp)
{
	struct skua_ranges *ranges;
	unsigned int count = collect(mm, NULL, 0);
	const struct skua_range *last;

	if (!count || count > MAX_RANGES || !skua_may_allocate(gfp))
		return NULL;
	ranges = kmalloc(struct_size(ranges, range, count), gfp | __GFP_NOWARN);
	if (!ranges)
		return NULL;
	ranges->count = collect(mm, ranges->range, count);
	ranges->epoch = epoch;
	last = &ranges->range[count - 1];
	ranges->start = ranges->range[0].start;
	ranges->size = last->start + last->size - ranges->start;
	if (ranges->count != count || last->start + last->size > SKUA_SITE_ADDRESS_LIMIT) {
		kfree(ranges);
		return NULL;
	}
	return ranges;
}

bool skua_ranges_have(const struct skua_ranges *ranges, u64 address)
{
	unsigned int low = 0, high = ranges->count;

	if (address - ranges->start >= ranges->size)
		return false;
	while (high - low > 1) {
		unsigned int middle = (low + high) / 2;

		if (ranges->range[middle].start <= address)
			low = middle;
		else
			high = middle;
	}
	return address - ranges->range[low].start < ranges->range[low].size;
}
