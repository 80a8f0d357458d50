/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each answer is an object with the keys that src/wire/table.h has for its attributes, so that
 * what an answer can be about is said in one place.
 */

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/log.h"
#include "manager/ask/record.h"
#include "manager/loop/text.h"
#include "manager/priv/staged.h"

DEFINE_CLEANUP(json_t *, json, json_decref)

static json_t *pack_value(const struct wire_message *entry, enum wire_attribute attribute)
{
        const struct wire_attribute_info *info = wire_attribute_info(attribute);
        _cleanup_free_ char *text = NULL;
        struct in6_addr address;
        char shown[INET6_ADDRSTRLEN];

        switch (info->type) {
        case WIRE_STRING:
                text = text_to_utf8(wire_get_string(entry, attribute));
                return json_string(text);
        case WIRE_ADDRESS:
                address = wire_get_address(entry, attribute);
                return json_string(address_to_string(&address, shown));
        case WIRE_ENUM:
                return json_string(
                        wire_name_to_string(info->names, (int)wire_get(entry, attribute)));
        case WIRE_BOOL:
                return json_boolean(wire_get(entry, attribute));
        default:
                return json_integer((json_int_t)wire_get(entry, attribute));
        }
}

static json_t *pack(const struct kept_answer *answer)
{
        const struct wire_message *entry = &answer->entry->message;
        json_t *object = json_object();

        (void)json_object_set_new(object, "session", json_string(answer->session));
        (void)json_object_set_new(object, "given_ns", json_integer((json_int_t)answer->given_ns));
        for (unsigned int attribute = 0; attribute < _WIRE_ATTR_MAX; attribute++)
                if (wire_has(entry, attribute))
                        (void)json_object_set_new(object, wire_attribute_info(attribute)->key,
                                                  pack_value(entry, attribute));
        return object;
}

int record_save_answers(const struct kept *kept, int folder_fd)
{
        _cleanup_(cleanup_json) json_t *array = json_array();
        _cleanup_free_ char *text = NULL;
        const struct kept_answer *answer;

        list_for_each (answer, &kept->answers, link)
                if (kept_get_lifetime(answer) == WIRE_LIFETIME_EVER)
                        (void)json_array_append_new(array, pack(answer));
        text = array ? json_dumps(array, JSON_INDENT(1)) : NULL;
        return text ? staged_replace_file(folder_fd, ANSWERS_FILE, text, strlen(text)) : -ENOMEM;
}

static bool unpack_text(struct wire_writer *writer, enum wire_attribute attribute, const char *text)
{
        const struct wire_attribute_info *info = wire_attribute_info(attribute);
        struct in6_addr address;

        if (info->type == WIRE_STRING) {
                wire_put_string(writer, attribute, text);
        } else if (info->type == WIRE_ADDRESS) {
                if (address_from_string(text, &address) < 0)
                        return false;
                wire_put_address(writer, attribute, &address);
        } else {
                int value = info->names ? wire_name_from_string(info->names, text) : -EINVAL;

                if (value < 0)
                        return false;
                wire_put(writer, attribute, (uint64_t)value);
        }
        return true;
}

static bool unpack_value(struct wire_writer *writer, enum wire_attribute attribute,
                         const json_t *value)
{
        if (json_is_string(value))
                return unpack_text(writer, attribute, json_string_value(value));
        if (wire_attribute_info(attribute)->type == WIRE_STRING ||
            wire_attribute_info(attribute)->type == WIRE_ADDRESS)
                return false;
        wire_put(writer, attribute,
                 json_is_integer(value) ? (uint64_t)json_integer_value(value)
                                        : json_is_true(value));
        return true;
}

/* NULL: the object is none. */
static struct letter *unpack(const json_t *object)
{
        static const enum wire_attribute attributes[] = {
                WIRE_ATTR_ANSWER,      WIRE_ATTR_VERDICT,     WIRE_ATTR_LIFETIME,
                WIRE_ATTR_SCOPE,       WIRE_ATTR_PROTOCOL,    WIRE_ATTR_DIRECTION,
                WIRE_ATTR_UID,         WIRE_ATTR_PROGRAM,     WIRE_ATTR_PROGRAM_TRUSTED,
                WIRE_ATTR_LOCAL_PORT,  WIRE_ATTR_REMOTE_NAME, WIRE_ATTR_REMOTE_ADDRESS,
                WIRE_ATTR_REMOTE_PORT,
        };
        uint8_t buffer[8192];
        struct wire_writer writer;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_EXTENSION_ANSWERS_ENTRY, 0);
        for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
                const json_t *value =
                        json_object_get(object, wire_attribute_info(attributes[i])->key);

                if (value && !unpack_value(&writer, attributes[i], value))
                        return NULL;
        }
        return wire_end(&writer) < 0 ? NULL : letter_from(&writer);
}

static int load_one(struct kept *kept, const json_t *object)
{
        const char *session = json_string_value(json_object_get(object, "session"));
        _cleanup_(cleanup_letter) struct letter *entry = unpack(object);
        int r;

        if (!session || !entry ||
            wire_get(&entry->message, WIRE_ATTR_LIFETIME) != WIRE_LIFETIME_EVER)
                return -EBADMSG;
        r = kept_restore(kept, session,
                         (uint64_t)json_integer_value(json_object_get(object, "given_ns")), entry);
        if (r >= 0)
                take_ptr(entry);
        return r;
}

int record_load_answers(struct kept *kept, int folder_fd)
{
        _cleanup_fd_ int fd = staged_read_file(folder_fd, ANSWERS_FILE);
        _cleanup_(cleanup_json) json_t *array = NULL;
        json_error_t error;
        json_t *object;
        size_t i;

        if (fd < 0)
                return fd;
        array = json_loadfd(fd, 0, &error);
        if (!array) {
                log_error(ANSWERS_FILE ":%d:%d: %s; the answers in it do not count", error.line,
                          error.column, error.text);
                return -EBADMSG;
        }
        json_array_foreach(array, i, object) if (load_one(kept, object) < 0)
                log_error(ANSWERS_FILE ": answer %zu makes no sense and does not count", i);
        return 0;
}
