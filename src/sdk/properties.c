/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a{sv} to typed properties. Nothing is copied: a list keeps the message alive and
 * points into it. Types that this version does not know are left out, as the API
 * promises that keys may be added.
 */

#include <errno.h>
#include <string.h>

#include "sdk/properties.h"
#include "sdk/public.h"

static int grow(void **block, size_t item_size, size_t n_items)
{
        void *grown;

        /* At the powers of two from 16 on. */
        if (n_items != 0 && (n_items < 16 || (n_items & (n_items - 1)) != 0))
                return 0;
        grown = reallocarray(*block, n_items ? n_items * 2 : 16, item_size);
        if (!grown)
                return -ENOMEM;
        *block = grown;
        return 0;
}

union basic {
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t u64;
        int boolean;
        const char *string;
};

/* 1, or 0 for a D-Bus type that is none of ours. */
static int convert(struct property *property, char type, const union basic *value)
{
        property->type = NX_PROPERTY_UINT64;
        switch (type) {
        case SD_BUS_TYPE_BYTE:
                property->unsigned_number = value->u8;
                return 1;
        case SD_BUS_TYPE_UINT16:
                property->unsigned_number = value->u16;
                return 1;
        case SD_BUS_TYPE_UINT32:
                property->unsigned_number = value->u32;
                return 1;
        case SD_BUS_TYPE_UINT64:
                property->unsigned_number = value->u64;
                return 1;
        case SD_BUS_TYPE_BOOLEAN:
                property->type = NX_PROPERTY_BOOL;
                property->boolean = value->boolean;
                return 1;
        case SD_BUS_TYPE_STRING:
                property->type = NX_PROPERTY_STRING;
                property->string = value->string;
                return 1;
        }
        property->type = NX_PROPERTY_INT64;
        switch (type) {
        case SD_BUS_TYPE_INT16:
                property->signed_number = value->i16;
                return 1;
        case SD_BUS_TYPE_INT32:
                property->signed_number = value->i32;
                return 1;
        case SD_BUS_TYPE_INT64:
                property->signed_number = value->i64;
                return 1;
        }
        return 0;
}

/* Reads a variant. 1, 0 for a type that was skipped, or a negative errno. */
static int read_value(struct property *property, sd_bus_message *message)
{
        const char *contents;
        union basic value = {};
        int r;

        r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
                return r;
        if (strlen(contents) != 1 || !strchr("ybnqiuxts", contents[0]))
                return sd_bus_message_skip(message, "v") < 0 ? -EBADMSG : 0;
        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, contents);
        if (r >= 0)
                r = sd_bus_message_read_basic(message, contents[0], &value);
        if (r < 0)
                return r;
        convert(property, contents[0], &value);
        r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

/* Reads one {sv}. 1, 0 behind the last one, or a negative errno. */
static int read_entry(struct nx_properties *properties, sd_bus_message *message)
{
        struct property property = {};
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r <= 0)
                return r;
        r = sd_bus_message_read_basic(message, SD_BUS_TYPE_STRING, &property.key);
        if (r >= 0)
                r = read_value(&property, message);
        if (r > 0) {
                r = grow((void **)&properties->items, sizeof(property), properties->n_items);
                if (r < 0)
                        return r;
                properties->items[properties->n_items++] = property;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 1;
}

int properties_read(struct nx_properties *properties, sd_bus_message *message)
{
        int r;

        *properties = (struct nx_properties){};
        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r < 0)
                return r;
        while ((r = read_entry(properties, message)) > 0)
                ;
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                properties_deinit(properties);
        return r < 0 ? r : 0;
}

void properties_deinit(struct nx_properties *properties)
{
        free(take_ptr(properties->items));
        free(take_ptr(properties->package));
        properties->n_items = 0;
}

int properties_add_package(struct nx_properties *flow, char *package)
{
        int r;

        flow->package = package;
        r = grow((void **)&flow->items, sizeof(*flow->items), flow->n_items);
        if (r < 0)
                return r;
        flow->items[flow->n_items++] = (struct property){
                .key = "package",
                .type = NX_PROPERTY_STRING,
                .string = package,
        };
        return 0;
}

static int list_read_object(struct nx_list *list, sd_bus_message *message)
{
        int r;

        r = grow((void **)&list->objects, sizeof(*list->objects), list->n_objects);
        if (r < 0)
                return r;
        r = properties_read(&list->objects[list->n_objects], message);
        if (r < 0)
                return r;
        list->n_objects++;
        return 0;
}

static int list_read_objects(struct nx_list *list, sd_bus_message *message)
{
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_ARRAY, "a{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(message, false)) == 0) {
                r = list_read_object(list, message);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

int list_read(struct nx_list **ret_list, sd_bus_message *message, const char *signature)
{
        _cleanup_(cleanup_list) struct nx_list *list = NULL;
        int r;

        if (sd_bus_message_has_signature(message, signature) <= 0)
                return -EBADMSG;
        list = calloc(1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        list->message = sd_bus_message_ref(message);
        if (strcmp(signature, "a{sv}") == 0)
                r = list_read_object(list, message);
        else
                r = list_read_objects(list, message);
        if (r < 0)
                return r;
        *ret_list = take_ptr(list);
        return 0;
}

static const struct property *find(const struct nx_properties *properties, const char *key)
{
        for (size_t i = 0; i < properties->n_items; i++)
                if (strcmp(properties->items[i].key, key) == 0)
                        return &properties->items[i];
        return NULL;
}

_public_ size_t nx_properties_get_count(const struct nx_properties *properties)
{
        return properties->n_items;
}

_public_ const char *nx_properties_get_key(const struct nx_properties *properties, size_t index)
{
        return index < properties->n_items ? properties->items[index].key : NULL;
}

_public_ enum nx_property_type nx_properties_get_type(const struct nx_properties *properties,
                                                      size_t index)
{
        return index < properties->n_items ? properties->items[index].type : NX_PROPERTY_STRING;
}

_public_ bool nx_properties_has(const struct nx_properties *properties, const char *key)
{
        return find(properties, key) != NULL;
}

_public_ const char *nx_properties_get_string(const struct nx_properties *properties,
                                              const char *key)
{
        const struct property *property = find(properties, key);

        return property && property->type == NX_PROPERTY_STRING ? property->string : NULL;
}

_public_ uint64_t nx_properties_get_uint64(const struct nx_properties *properties, const char *key)
{
        const struct property *property = find(properties, key);

        if (!property || property->type == NX_PROPERTY_STRING)
                return 0;
        if (property->type == NX_PROPERTY_BOOL)
                return property->boolean;
        return property->unsigned_number;
}

_public_ int64_t nx_properties_get_int64(const struct nx_properties *properties, const char *key)
{
        return (int64_t)nx_properties_get_uint64(properties, key);
}

_public_ bool nx_properties_get_bool(const struct nx_properties *properties, const char *key)
{
        return nx_properties_get_uint64(properties, key) != 0;
}

_public_ size_t nx_list_get_count(const struct nx_list *list)
{
        return list->n_objects;
}

_public_ const struct nx_properties *nx_list_get(const struct nx_list *list, size_t index)
{
        return index < list->n_objects ? &list->objects[index] : NULL;
}

_public_ struct nx_list *nx_list_free(struct nx_list *list)
{
        if (!list)
                return NULL;
        for (size_t i = 0; i < list->n_objects; i++)
                properties_deinit(&list->objects[i]);
        free(list->objects);
        sd_bus_message_unref(list->message);
        free(list);
        return NULL;
}
