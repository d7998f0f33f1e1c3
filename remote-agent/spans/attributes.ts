import type { Attributes, AttributeValue } from '../../common/model/span';

interface Shape {
  readonly names: readonly string[];
  uses: number;
  make?: (values: readonly AttributeValue[]) => Attributes;
}

/** A constructor costs as much as some hundred objects save. */
const USES_BEFORE_GENERATED = 100;
/** Sets of names of one system call: it failed or not, waited or not, its descriptor is known or not. */
const MAX_SHAPES = 16;
const MAX_CALLS = 1000;

/** The attributes of a span, one after the other. */
export class AttributeList {
  readonly names: string[] = [];
  readonly values: AttributeValue[] = [];

  add(name: string, value: AttributeValue): void {
    this.names.push(name);
    this.values.push(value);
  }

  addAll(attributes: Attributes): void {
    for (const name in attributes) {
      const value = attributes[name];
      if (value !== undefined) this.add(name, value);
    }
  }
}

/**
 * Makes the attributes of many spans that have few different sets of names. A set that is seen often gets a constructor generated for it,
 * which is an object literal: properties that are added one by one were half of what it took to make a span.
 */
export class AttributeShapes {
  private readonly shapes = new Map<string, Shape[]>();

  /** `call`: spans of the same system call have few sets of names. Of a name that is there twice the last value counts. */
  build(call: string, { names, values }: AttributeList): Attributes {
    const shape = this.shapeOf(call, names);
    if (shape !== undefined) {
      shape.uses += 1;
      if (shape.uses > USES_BEFORE_GENERATED) return (shape.make ??= generate(shape.names))(values);
    }
    return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
  }

  private shapeOf(call: string, names: readonly string[]): Shape | undefined {
    let shapes = this.shapes.get(call);
    if (shapes === undefined) {
      if (this.shapes.size >= MAX_CALLS) return undefined;
      this.shapes.set(call, (shapes = []));
    }
    for (const shape of shapes) if (sameTexts(shape.names, names)) return shape;
    if (shapes.length >= MAX_SHAPES) return undefined;
    const shape = { names, uses: 0 };
    shapes.push(shape);
    return shape;
  }
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

function generate(names: readonly string[]): NonNullable<Shape['make']> {
  // In brackets `__proto__` is a name like any other.
  const properties = names.map((name, index) =>
    name === '__proto__' ? `['__proto__']: v[${index}]` : `${JSON.stringify(name)}: v[${index}]`,
  );
  // The source holds nothing from the trace but names passed through JSON.stringify.
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  return new Function('v', `return {${properties.join(', ')}};`) as NonNullable<Shape['make']>;
}
