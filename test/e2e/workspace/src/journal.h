#pragma once

int journal_append(const char *path, const char *text);
