/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a flow's attributes look like to a client follows from src/wire/table.h: one
 * added there shows up in the API by itself.
 */

#include <errno.h>

#include "base/endpoint.h"
#include "manager/control/record.h"
#include "manager/loop/text.h"

int record_list_new(sd_bus_message *call, sd_bus_message **ret_reply)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r < 0)
                return r;
        *ret_reply = take_ptr(reply);
        return 0;
}

int record_list_send(sd_bus_message *reply)
{
        int r = sd_bus_message_close_container(reply);

        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int record_begin(sd_bus_message *reply)
{
        return sd_bus_message_open_container(reply, 'a', "{sv}");
}

int record_end(sd_bus_message *reply)
{
        return sd_bus_message_close_container(reply);
}

int record_put_bool(sd_bus_message *reply, const char *key, bool value)
{
        return sd_bus_message_append(reply, "{sv}", key, "b", (int)value);
}

int record_put_uint64(sd_bus_message *reply, const char *key, uint64_t value)
{
        return sd_bus_message_append(reply, "{sv}", key, "t", value);
}

int record_put_int64(sd_bus_message *reply, const char *key, int64_t value)
{
        return sd_bus_message_append(reply, "{sv}", key, "x", value);
}

int record_put_string(sd_bus_message *reply, const char *key, const char *value)
{
        _cleanup_free_ char *text = NULL;

        if (!value)
                return 0;
        text = text_to_utf8(value);
        if (!text)
                return -ENOMEM;
        return sd_bus_message_append(reply, "{sv}", key, "s", text);
}

static int put_address(sd_bus_message *reply, const char *key, struct in6_addr address)
{
        char text[INET6_ADDRSTRLEN];

        return record_put_string(reply, key, address_to_string(&address, text));
}

static int put_attribute(sd_bus_message *reply, const struct wire_message *message,
                         enum wire_attribute attribute)
{
        const struct wire_attribute_info *info = wire_attribute_info(attribute);
        uint64_t value;

        switch (info->type) {
        case WIRE_STRING:
                return record_put_string(reply, info->key, wire_get_string(message, attribute));
        case WIRE_ADDRESS:
                return put_address(reply, info->key, wire_get_address(message, attribute));
        case WIRE_I32:
                return record_put_int64(reply, info->key, wire_get_i32(message, attribute));
        default:
                break;
        }
        value = wire_get(message, attribute);
        if (info->type == WIRE_BOOL)
                return record_put_bool(reply, info->key, value);
        if (info->type == WIRE_ENUM)
                return record_put_string(reply, info->key,
                                         wire_name_to_string(info->names, (int)value));
        return record_put_uint64(reply, info->key, value);
}

int record_put_attributes(sd_bus_message *reply, const struct wire_message *message)
{
        int r = 0;

        for (unsigned int attribute = 0; r >= 0 && attribute < _WIRE_ATTR_MAX; attribute++)
                if (wire_attribute_info(attribute) && wire_has(message, attribute))
                        r = put_attribute(reply, message, attribute);
        return r;
}
