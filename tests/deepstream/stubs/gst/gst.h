/* The types of GLib and GStreamer that DeepStream's headers name; written for the tests, from their documentation. */
#pragma once
#include <stdint.h>

typedef int gint;
typedef unsigned int guint;
typedef uint64_t guint64;
typedef int64_t gint64;
typedef int gboolean;
typedef char gchar;
typedef float gfloat;
typedef void* gpointer;
typedef struct _GstBuffer GstBuffer;

typedef struct _GList {
    gpointer data;
    struct _GList* next;
    struct _GList* prev;
} GList;

#ifdef __cplusplus
#define G_BEGIN_DECLS extern "C" {
#define G_END_DECLS }
#else
#define G_BEGIN_DECLS
#define G_END_DECLS
#endif
