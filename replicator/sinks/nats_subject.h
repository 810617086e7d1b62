/* Subjects as NATS takes them for publishing. */
#ifndef EVREP_NATS_SUBJECT_H
#define EVREP_NATS_SUBJECT_H

/* NULL: a record can be published there, and below it; else what is wrong with it. */
const char *nats_subject_wrong(const char *subject);

#endif
