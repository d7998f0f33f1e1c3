import { describe, expect, it } from 'vitest';
import { AttributeList, AttributeShapes } from './attributes';

function list(entries: readonly (readonly [string, number])[]): AttributeList {
  const attributes = new AttributeList();
  for (const [name, value] of entries) attributes.add(name, value);
  return attributes;
}

/** More often than it takes for a constructor to be generated. */
const OFTEN = 300;

describe('AttributeShapes', () => {
  it.each<[string, readonly (readonly [string, number])[]]>([
    ['none', []],
    [
      'plain',
      [
        ['process.pid', 1],
        ['skua.cpu', 2],
      ],
    ],
    [
      'names that are no identifiers',
      [
        ["a'b", 1],
        ['c"\\', 2],
        ['\u2028}', 3],
      ],
    ],
    [
      'names that an object has already',
      [
        ['__proto__', 1],
        ['constructor', 2],
        ['toString', 3],
      ],
    ],
  ])('makes the same object each time: %s', (_, entries) => {
    const shapes = new AttributeShapes();
    for (let use = 0; use < OFTEN; use += 1) {
      const made = shapes.build('read', list(entries.map(([name, value]) => [name, value + use])));
      expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
      expect(Object.entries(made)).toEqual(entries.map(([name, value]) => [name, value + use]));
    }
  });

  it('counts the last value of a name', () => {
    const shapes = new AttributeShapes();
    for (let use = 0; use < OFTEN; use += 1) {
      const twice = list([
        ['a', 1],
        ['a', 2],
      ]);
      expect(shapes.build('read', twice)).toEqual({ a: 2 });
    }
  });

  it('tells the sets of names of one call apart, however many they are', () => {
    const shapes = new AttributeShapes();
    for (let use = 0; use < OFTEN; use += 1) {
      for (let set = 0; set < 20; set += 1)
        expect(shapes.build('ioctl', list([[`name${set}`, use]]))).toEqual({ [`name${set}`]: use });
    }
  });

  it('leaves out what is undefined', () => {
    const attributes = new AttributeList();
    attributes.addAll({ a: 1, b: undefined } as unknown as { a: number });
    expect(attributes.names).toEqual(['a']);
  });
});
