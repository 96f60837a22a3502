/* The driver's functions that a batch calls, doing nothing: what is left of a call's time is hpe_edge's own. */
#include <stddef.h>
#include <stdint.h>

int cuCtxPushCurrent(void *context) { return context == NULL; }
int cuCtxPopCurrent(void **context) { return *context = NULL, 0; }
int cuMemcpyHtoDAsync(uint64_t to, const void *from, size_t bytes, void *stream) { return !(to && from && bytes && stream); }
int cuEventRecord(void *event, void *stream) { return !(event && stream); }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return !(stream && event) || flags; }
int cuGraphLaunch(void *graph, void *stream) { return !(graph && stream); }
int cuStreamSynchronize(void *stream) { return stream == NULL; }

/* All memory is GPU 0's, and of no context. */
int cuPointerGetAttribute(void *value, int attribute, uint64_t address) {
    if (attribute == 9)
        *(int *)value = 0;
    else
        *(void **)value = NULL;
    return address == 0;
}
