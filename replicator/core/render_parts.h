/* What the renderers share. */
#ifndef EVREP_RENDER_PARTS_H
#define EVREP_RENDER_PARTS_H

#include "names.h"
#include "record.h"
#include "text.h"

void render_parameter(struct text *t, const char *name, const char *value, size_t len);
void render_string(struct text *t, const char *name, const char *value);
void render_number(struct text *t, const char *name, uint64_t value);
void render_name(struct text *t, const char *parameter, const struct names *n, char table,
                 uint32_t id, const char *missing);
void render_tag_inline(struct text *t, const struct record *r, bool in_doubt);
void render_tag_text(struct text *t, const struct record *r, bool in_doubt);

/* render_note.c: the protocol's own records. */
const char *render_note_id(uint8_t kind);
void render_note(struct text *t, const struct record *r, bool in_doubt);

#endif
