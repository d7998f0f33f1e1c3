'use strict';
// Sends this thread's context record to the kernel. Layout: struct skua_record of kernel/include/skua_abi.h, which is the
// OpenTelemetry thread context of OTEP 4947.
const fs = require('node:fs');

const RECORD_BYTES = 28;
const TRACE_ID_BYTES = 16;
const SPAN_ID_AT = 16;
const VALID_AT = 24;
const FLAGS_AT = 25;
const SAMPLED = 1;

class KernelContext {
  /** @param {string} [path] the module's file, or one that stands in for it */
  constructor(path = process.env.SKUA_CONTEXT || '/proc/skua/context') {
    this._path = path;
    /** Descriptor, undefined before the first use, -1 when the file could not be opened. */
    this._fd = undefined;
    this._record = Buffer.alloc(RECORD_BYTES);
    this._armed = false;
    /** Code of the last failure (ENOENT: no module), or undefined. */
    this.lastError = undefined;
    /** Records that the kernel refused. */
    this.failures = 0;
  }

  /** Whether records reach the kernel module. */
  get enabled() {
    return this._open() >= 0;
  }

  /** @returns whether the kernel holds a sampled record for this thread */
  get armed() {
    return this._armed;
  }

  /**
   * Makes a sampled span this thread's.
   * @param {Buffer} traceId 8 or 16 bytes, most significant first
   * @param {Buffer} spanId 8 bytes
   */
  attach(traceId, spanId) {
    const record = this._record;
    record.fill(0, 0, TRACE_ID_BYTES - traceId.length);
    traceId.copy(record, TRACE_ID_BYTES - traceId.length);
    spanId.copy(record, SPAN_ID_AT);
    record[VALID_AT] = 1;
    record[FLAGS_AT] = SAMPLED;
    if (this._write()) this._armed = true;
  }

  detach() {
    if (!this._armed) return;
    this._record[VALID_AT] = 0;
    if (this._write()) this._armed = false;
  }

  _open() {
    if (this._fd === undefined) {
      try {
        // Close-on-exec, as all of Node's descriptors.
        this._fd = fs.openSync(this._path, fs.constants.O_WRONLY);
      } catch (error) {
        this._fd = -1;
        this.lastError = error.code;
      }
    }
    return this._fd;
  }

  // A program runs the same without Skua: failures are counted, never thrown.
  _write() {
    if (this._open() < 0) return false;
    try {
      fs.writeSync(this._fd, this._record, 0, RECORD_BYTES, null);
      return true;
    } catch (error) {
      this.lastError = error.code;
      this.failures += 1;
      return false;
    }
  }
}

module.exports = { KernelContext };
