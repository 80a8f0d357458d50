/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An answer is some of the question's attributes: it is for each question that has the same. A
 * host is its name where programs resolved one, so that its addresses are one host; the port of a
 * flow that came in is the one that the program here listens on, for the visitor's means nothing.
 */

#include <netext/netext.h>

#include "wire/question.h"

static wire_attributes host_of(const struct wire_message *question)
{
        return wire_has(question, WIRE_ATTR_REMOTE_NAME) ? WIRE_HAS(REMOTE_NAME)
                                                         : WIRE_HAS(REMOTE_ADDRESS);
}

static wire_attributes port_of(const struct wire_message *question)
{
        return wire_get(question, WIRE_ATTR_DIRECTION) == NX_DIRECTION_INBOUND
                       ? WIRE_HAS(LOCAL_PORT)
                       : WIRE_HAS(REMOTE_PORT);
}

#define ALWAYS  (WIRE_HAS(PROTOCOL) | WIRE_HAS(DIRECTION) | WIRE_HAS(UID))
#define PROGRAM (WIRE_HAS(PROGRAM) | WIRE_HAS(PROGRAM_TRUSTED))
#define PROCESS (WIRE_HAS(PID) | WIRE_HAS(PROCESS_STARTED_NS))

bool question_is_same(const struct wire_message *a, const struct wire_message *b)
{
        wire_attributes identity = ALWAYS | PROGRAM | PROCESS | WIRE_HAS(SESSION_NAME) |
                                   WIRE_HAS(RULE) | host_of(a) | port_of(a);

        return (a->present & identity) == (b->present & identity) && host_of(a) == host_of(b) &&
               wire_agrees(a, b, identity);
}

static wire_attributes subject_of(const struct wire_message *question, enum wire_lifetime lifetime,
                                  uint8_t scope)
{
        wire_attributes subject = ALWAYS;

        if (lifetime == WIRE_LIFETIME_RUN)
                subject |= PROGRAM | PROCESS;
        if (scope & WIRE_SCOPE_PROGRAM)
                subject |= PROGRAM;
        if (scope & WIRE_SCOPE_HOST)
                subject |= host_of(question);
        if (scope & WIRE_SCOPE_PORT)
                subject |= port_of(question);
        return subject;
}

struct letter *question_keep(const struct wire_message *question, uint64_t number, uint8_t verdict,
                             enum wire_lifetime lifetime, uint8_t scope)
{
        uint8_t buffer[8192]; /* more than its strings can be */
        struct wire_writer writer;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_EXTENSION_ANSWERS_ENTRY, 0);
        wire_put(&writer, WIRE_ATTR_ANSWER, number);
        wire_put(&writer, WIRE_ATTR_VERDICT, verdict);
        wire_put(&writer, WIRE_ATTR_LIFETIME, lifetime);
        wire_put(&writer, WIRE_ATTR_SCOPE, scope);
        wire_put_copies(&writer, question, subject_of(question, lifetime, scope));
        return wire_end(&writer) < 0 ? NULL : letter_from(&writer);
}

const char *question_problem(const struct wire_message *question, enum wire_lifetime lifetime,
                             uint8_t scope)
{
        if (lifetime == WIRE_LIFETIME_ONCE)
                return NULL;
        if (lifetime == WIRE_LIFETIME_RUN)
                return wire_has(question, WIRE_ATTR_PROCESS_STARTED_NS)
                               ? NULL
                               : "it is not known which process that is";
        if (!(scope & WIRE_SCOPE_ALL))
                return "say whether it is by program, host or port";
        if (!(scope & WIRE_SCOPE_PROGRAM))
                return NULL;
        if (!wire_has(question, WIRE_ATTR_PROGRAM))
                return "it is not known which program that is";
        return wire_get(question, WIRE_ATTR_PROGRAM_TRUSTED)
                       ? NULL
                       : "the program's path is one that its user could have arranged";
}

bool question_is_answered(const struct wire_message *question, const struct wire_message *answer)
{
        wire_attributes subject =
                answer->present &
                (ALWAYS | PROGRAM | PROCESS | WIRE_HAS(REMOTE_NAME) | WIRE_HAS(REMOTE_ADDRESS) |
                 WIRE_HAS(LOCAL_PORT) | WIRE_HAS(REMOTE_PORT));

        return wire_agrees(answer, question, subject);
}
