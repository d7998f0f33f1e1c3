/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * wrapper/skua-mm.h
 *
 * Walking the mappings of an address space: a maple tree from Linux 6.1, a list before.
 */
#ifndef _LTTNG_WRAPPER_SKUA_MM_H
#define _LTTNG_WRAPPER_SKUA_MM_H

#include <linux/mm.h>
#include <lttng/kernel-version.h>

#if (LTTNG_LINUX_VERSION_CODE >= LTTNG_KERNEL_VERSION(6, 1, 0))
#define SKUA_VMA_ITERATOR(_name, _mm) VMA_ITERATOR(_name, _mm, 0)
#define skua_for_each_vma(_it, _vma) for_each_vma(_it, _vma)
#else
#define SKUA_VMA_ITERATOR(_name, _mm) struct vm_area_struct *_name = (_mm)->mmap
#define skua_for_each_vma(_it, _vma) for ((_vma) = (_it); (_vma); (_vma) = (_vma)->vm_next)
#endif

#endif /* _LTTNG_WRAPPER_SKUA_MM_H */
