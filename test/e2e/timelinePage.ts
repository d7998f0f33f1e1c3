/** What tests do inside a timeline. */
import type { Locator } from 'playwright-core';
import { expect } from 'vitest';
import type { Editor } from './editor';

/** The canvas with the spans. */
export function stageOf(editor: Editor): Locator {
  return editor.timeline().locator('[aria-roledescription="timeline"]');
}

/** Selects the first match of a search and returns the middle of its bar as drawn, in pixels of the stage. */
export async function findSpan(
  editor: Editor,
  query: string,
): Promise<{ readonly x: number; readonly y: number }> {
  const stage = stageOf(editor);
  // As a person would: a click makes the timeline's group the active one, which focus() from outside does not.
  await editor.timeline().locator('.search').click();
  await editor.timeline().locator('.search input').fill(query);
  await editor
    .timeline()
    .getByText(/\d+ match|\d+ of \d+/)
    .first()
    .waitFor();
  await editor.page.waitForTimeout(500);
  await editor.page.keyboard.press('Enter');
  await expect.poll(() => stage.getAttribute('data-selection'), { timeout: 5000 }).not.toBeNull();
  // The view moves to the selection; the box is right when it no longer changes.
  let before = '';
  for (;;) {
    const now = (await stage.getAttribute('data-selection')) ?? '';
    if (now !== '' && now === before) {
      const [x, y, width, height] = JSON.parse(now) as [number, number, number, number];
      return { x: x + width / 2, y: y + height / 2 };
    }
    before = now;
    await editor.page.waitForTimeout(300);
  }
}
